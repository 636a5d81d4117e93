"""The side ledger: what user code says it does, appended and flushed to disk before the code goes on.

Code under test reaches it by a unix socket, so its worker runs with `MCPANEL_ISOLATION=limits`.
"""

import asyncio
import json
import os
import time
from pathlib import Path

from tests.chaos.checker import Execution

CODE = """
import json, socket, time
import mcpanel_step as step

def note(what):
    at = step.context
    words = {"what": what, "run": at.run_id, "step": at.step_id, "attempt": at.attempt, "epoch": at.epoch}
    with socket.socket(socket.AF_UNIX) as ledger:
        ledger.connect(LEDGER)
        ledger.sendall(json.dumps({**words, "key": at.idempotency_key}).encode() + b"\\n")
        assert ledger.recv(1), "the ledger is gone"

def main(n: int = 0, seconds: float = 0.05, fails: int = 0, broken: bool = False, file: bool = False) -> int:
    note("begin")
    print("working on", n)
    time.sleep(seconds)
    if broken or step.context.attempt <= fails:
        raise ValueError("it is broken")
    if file:
        step.artifact("n.txt", str(n).encode())
    note("end")
    return n + 1
"""


class Ledger:
    """Takes notes at a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "ledger"
        self.path = folder / "ledger.jsonl"
        self.executions: dict[tuple[str, str, int, int], list[Execution]] = {}
        self.wrong_keys: list[str] = []
        """Attempts whose idempotency key was not that of their step."""
        self._file = self.path.open("ab")
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_unix_server(self._serve, self.socket)
        self.socket.chmod(0o777)

    async def stop(self) -> None:
        """Stops listening; the notes stay."""
        if self._server is not None:
            self._server.close()
        self._file.close()

    @property
    def code(self) -> str:
        """A component that writes the ledger."""
        return CODE.replace("LEDGER", repr(str(self.socket)))

    def all(self) -> list[Execution]:
        """Every execution there was."""
        return [one for several in self.executions.values() for one in several]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if line := await reader.readline():
                self._note(**json.loads(line))
                writer.write(b"\n")
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _note(self, what: str, run: str, step: str, *, attempt: int, epoch: int, key: str) -> None:
        now = time.monotonic()
        self._file.write(json.dumps([now, what, run, step, attempt, epoch]).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if key != f"{run}/{step}":
            self.wrong_keys.append(f"attempt {attempt} of {run}/{step} had the key {key}")
        several = self.executions.setdefault((run, step, attempt, epoch), [])
        if what == "begin":
            several.append(Execution(run, step, attempt, epoch, now))
        elif several:
            several[-1].end = now

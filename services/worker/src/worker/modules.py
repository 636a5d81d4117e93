"""The npm: and jsr: packages of TypeScript components: fetched once, outside of any cell, and mounted read-only.

Deno fetches them, checks each file against the registry's own digest and writes a lock; no code of a package runs here,
no install script either. In the cell nothing is fetched any more: what is not in the lock is not there.
"""

import asyncio
import hashlib
import json
import os
import platform
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from worker.cells.bubblewrap import registries
from worker.cells.profile import BARE, Environment
from worker.store import DependencyError, Store

_TIMEOUT: Final = 600.0
_JSR: Final = "https://jsr.io/"
_MOST_SAID: Final = 64 * 1024


class Modules:
    """The fetched packages of one store."""

    def __init__(self, store: Store, deno: Path | None) -> None:
        self._store = store
        self._deno = deno

    @asynccontextmanager
    async def use(
        self, specifiers: tuple[str, ...], log: Callable[[str], None]
    ) -> AsyncIterator[Environment]:
        """The folder with these packages and all they need, fetched if there is none yet. Raises DependencyError.

        It stays until the end. `log` takes what is said while it is made.
        """
        if not specifiers:
            yield BARE
            return
        digest = self._digest(specifiers)

        async def fetch(draft: Path) -> None:
            await self._fetch(specifiers, draft, log)

        async with self._store.made(digest, fetch, log) as folder:
            yield Environment(digest, folder)

    def _digest(self, specifiers: tuple[str, ...]) -> str:
        if self._deno is None:
            raise DependencyError("this worker has no Deno; install it, or put it on PATH")
        elsewhere = [f"{name}={url}" for name, url in sorted(registries().items())]
        text = "\n".join([platform.machine(), str(self._deno.stat().st_size), *elsewhere, *specifiers])
        return "ts-" + hashlib.sha256(text.encode()).hexdigest()[:32]

    async def _fetch(self, specifiers: tuple[str, ...], draft: Path, log: Callable[[str], None]) -> None:
        log(f"fetching {', '.join(specifiers)}")
        (draft / "imports.ts").write_text("".join(f"import {json.dumps(one)};\n" for one in specifiers))
        host = urlsplit(registries().get("JSR_URL", _JSR))
        port = host.port or (443 if host.scheme == "https" else 80)
        command = [
            str(self._deno), "cache", "--no-config", "--node-modules-dir=none", "--lock=deno.lock",
            f"--allow-import={host.hostname}:{port}", "imports.ts",
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MCPANEL_")}
        environment |= {
            "DENO_DIR": str(draft / "deno"),
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_NO_PACKAGE_JSON": "1",
            "NO_COLOR": "1",
        }
        environment.setdefault(
            "DENO_TLS_CA_STORE", "mozilla,system"
        )  # certificates of the operator's count as well
        try:
            async with asyncio.timeout(_TIMEOUT):
                status, said = await _run(command, environment, draft)
        except TimeoutError:
            raise DependencyError(f"fetching the packages took longer than {_TIMEOUT:.0f} s") from None
        if status != 0:
            raise DependencyError(_reason(said) or f"deno ended with status {status}")
        lock = json.loads((draft / "deno.lock").read_text())
        count = len(lock.get("npm", {})) + len(lock.get("jsr", {}))
        log(f"fetched {count} package{'' if count == 1 else 's'}")


async def _run(command: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """A program's status and the end of what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    said = b""
    try:
        while process.stderr and (chunk := await process.stderr.read(_MOST_SAID)):
            said = (said + chunk)[-_MOST_SAID:]
        return await process.wait(), said.decode("utf-8", "replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _reason(said: str) -> str:
    """Deno's own words, from its error on, without what only its makers read."""
    _, _, error = said.rpartition("error: ")
    error = error.partition("\n\nStack backtrace:")[0]
    return re.sub(r"\s+at file://\S+", "", error).strip()[:2000]

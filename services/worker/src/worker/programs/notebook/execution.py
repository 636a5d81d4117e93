"""The kernel of a notebook, and what its cells show while they run."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcpanel_step as step
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from programs.failures import Failed
from programs.notebook import document, rendering
from programs.place import PLACE

_PREVIEW_PERIOD = 0.25
_PATIENCE = 1.0
"""Seconds for what a cell does with the step library to end, and for the cell itself once it is interrupted."""
_BOOT = "import sys; sys.path[:0] = {path!r}; from programs.notebook import kernel; kernel.main()"
_DUMP = "__import__('programs.notebook.kernel', fromlist=['dump']).dump({path!r}, globals())"


class StoppedError(Exception):
    """The step was stopped while a cell ran; `traceback` says where that was, if it let itself be interrupted."""

    def __init__(self, traceback: str = "") -> None:
        super().__init__("the step was stopped")
        self.traceback = traceback


class Execution(NotebookClient):  # type: ignore[misc]  # a skipped import
    """Runs a notebook's cells one after another and shows each cell's outputs as they come."""

    def __init__(self, notebook: NotebookNode) -> None:
        super().__init__(
            notebook,
            timeout=None,
            record_timing=False,
            store_widget_state=False,
            shutdown_kernel="immediate",
        )
        self.current = 0
        """The index of the cell that runs, or ran last."""
        self._shown_at = 0.0
        self._states: dict[int, str] = {}
        self._stopped = False

    @contextlib.asynccontextmanager
    async def kernel(self) -> AsyncIterator[None]:
        """A kernel for the cells, gone with its children afterwards."""
        folder = Path(PLACE.temp) / ".kernel"
        folder.mkdir()
        shared = step._share(str(folder / "lock"))
        manager = AsyncKernelManager(
            transport="ipc", ip=str(folder / "s"), connection_file=str(folder / "connection.json")
        )
        root = str(Path(PLACE.steplib).parent)
        path = [PLACE.toolbox, root, PLACE.steplib]
        manager._kernel_spec = KernelSpec(
            argv=[sys.executable, "-I", "-S", "-B", "-c", _BOOT.format(path=path), "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )
        self.km = manager
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "STEP_KERNEL": json.dumps({"site": PLACE.site, "share": shared}),
        }
        descriptors = (shared["rx"], shared["tx"], shared["out"])
        try:
            async with self.async_setup_kernel(
                cleanup_kc=True, env=environment, cwd=PLACE.work, pass_fds=descriptors
            ):
                message = await self.async_wait_for_reply(self.kc.kernel_info())
                if message is not None:
                    self.nb.metadata["language_info"] = message["content"]["language_info"]
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
                yield
        finally:
            atexit.unregister(self._cleanup_kernel)

    async def run(self, cell: NotebookNode, index: int) -> None:
        """Runs one cell. Raises nbclient's CellExecutionError and DeadKernelError, and StoppedError."""
        self.current = index
        step._at(document.name(self.nb, index))
        self._states[index] = "RUNNING"
        count = sum(1 for one in self.nb.cells if one.cell_type == "code")
        done = sum(1 for one in self.nb.cells[:index] if one.cell_type == "code")
        step.progress(done / count, document.name(self.nb, index))
        try:
            await self.async_execute_cell(cell, index, execution_count=self.code_cells_executed + 1)
        except BaseException as error:
            self._states[index] = "FAILED"
            self._show()
            if self._stopped and isinstance(error, (CellExecutionError, DeadKernelError)):
                raise StoppedError(getattr(error, "traceback", "")) from None
            raise
        if self._stopped:
            raise StoppedError
        self._states[index] = "SUCCESS"
        self._show()

    def _stop(self) -> None:
        """Interrupts the cell that runs, and gives it up when that does not end it soon.

        Nothing is interrupted in the midst of an exchange with the worker, which could be followed by no other.
        """
        if self._stopped or not step._exclusive().take(_PATIENCE):
            return
        self._stopped = True
        loop = asyncio.get_running_loop()
        self._interrupting = loop.create_task(self.km.interrupt_kernel())
        loop.call_later(_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if (waiting := getattr(self, "task_poll_for_reply", None)) is not None:
            waiting.cancel()

    def process_message(self, message: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """What nbclient does with a message of the kernel; then people see it."""
        output = super().process_message(message, cell, cell_index)
        if message["msg_type"] == "stream":
            content = message["content"]
            stream = sys.stderr if content["name"] == "stderr" else sys.stdout
            stream.write(content["text"])
        if output is not None and time.monotonic() - self._shown_at > _PREVIEW_PERIOD:
            self._show()
        return output

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        step.preview(rendering.preview(self.nb, self._states))

    async def outputs(self) -> Any:
        """What the notebook left in `outputs`. Raises Failed."""
        step._at("")
        path = Path(PLACE.temp) / ".kernel" / "outputs.json"
        message_id = self.kc.execute(
            "",
            silent=True,
            store_history=False,
            user_expressions={"answer": _DUMP.format(path=str(path))},
            allow_stdin=False,
        )
        reply = await self.async_wait_for_reply(message_id)
        answer = reply["content"]["user_expressions"]["answer"] if reply else {"status": "error"}
        if answer["status"] != "ok":
            reason = answer.get("evalue") or "the kernel did not answer"
            raise Failed(f"the notebook's `outputs` cannot be the step's output: {reason}", "INVALID_OUTPUT")
        return json.loads(path.read_text())

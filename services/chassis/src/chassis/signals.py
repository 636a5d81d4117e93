"""A doorbell between tasks of one loop."""

import asyncio


class Signal:
    """Set by one task, awaited by another; rings that come while nobody waits are remembered as one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Rings."""
        self._event.set()

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  # the caller says how long
        """Waits for a ring since the last wait, at most `timeout` seconds; returns whether there was one."""
        try:
            # Not wait_for: before Python 3.12 it swallows a cancellation that meets the ring.
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

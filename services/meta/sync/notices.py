"""Hints inside a process that some sync log has moved on, so that a stream needn't wait for its next look."""

import asyncio


class Notices:
    """A bell. Missing it costs time only: who waits looks again by itself."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for the bell, at most so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return

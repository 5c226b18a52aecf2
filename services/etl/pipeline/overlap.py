"""Overlapping: a thread makes items ahead while the event loop uses them, a few at most in between."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")
AHEAD: Final = 3
"""Items between maker and user: enough to keep both busy, little enough to keep memory flat."""


class Overlap(Generic[T]):
    """Iterates `source` in a thread of its own. Use it as an async context manager and iterate once.

    An exception of the source is raised where the item would have come. Leaving the context tells the thread
    to stop; `finished` waits for it.
    """

    def __init__(self, source: Iterator[T], *, ahead: int = AHEAD) -> None:
        self._source = source
        self._room = threading.Semaphore(ahead)
        self._items: asyncio.Queue[T | BaseException | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        # In the caller's context: what is logged there names the same run.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._make,), name="pipeline", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._room.release()

    async def __aiter__(self) -> AsyncIterator[T]:
        while (item := await self._items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._room.release()
            yield item

    async def finished(self, *, seconds: float) -> bool:
        """Wait for the thread to end, at most so long; false when it still works."""
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError:
            return False
        return True

    def _make(self) -> None:
        last: BaseException | None = None
        try:
            for item in self._source:
                self._room.acquire()
                if self._stopped.is_set():
                    break
                self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        except BaseException as error:  # noqa: BLE001  it is raised again where the items are used
            last = error
        self._loop.call_soon_threadsafe(self._end, last)

    def _end(self, last: BaseException | None) -> None:
        self._items.put_nowait(last)
        self._done.set()

"""An event loop in a thread of its own: the pipeline's thread reads through it from what is asynchronous."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from services.etl.pipeline.errors import JobCancelled

T = TypeVar("T")
Put = Callable[[T], Awaitable[None]]
Produce = Callable[[Put[T]], Awaitable[None]]
AHEAD: Final = 3
"""Items between the loop and the reader: enough to keep both busy, little enough to keep memory flat."""

_CLOSE_SECONDS: Final = 3.0


class LoopThread:
    """An event loop that runs until `close`, which ends whatever still runs in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: set[Future[Any]] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine. Raises JobCancelled when the loop is closed meanwhile."""
        future = self._start(work)
        try:
            return future.result()
        except FutureCancelled:
            raise JobCancelled from None
        finally:
            self._running.discard(future)

    def stream(self, produce: Produce[T]) -> Iterator[T]:
        """What `produce` puts; it waits where it is more than a few items ahead."""
        passing: _Passing[T] = _Passing(self._loop, produce)
        future = self._start(passing.run())
        try:
            yield from passing
        finally:
            future.cancel()
            self._running.discard(future)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run `last`, and end the thread. Takes a few seconds at most; once is enough."""
        if self._closed.is_set():
            return
        self._closed.set()
        for future in list(self._running):
            future.cancel()
        try:
            if last is not None:
                # Where it takes too long, the socket goes with the process.
                with suppress(TimeoutError, FutureCancelled):
                    asyncio.run_coroutine_threadsafe(_within(last()), self._loop).result(_CLOSE_SECONDS)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_SECONDS)

    def _start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        if self._closed.is_set():
            work.close()
            raise JobCancelled
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._running.add(future)
        return future

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(_last_words())
            self._loop.close()


async def _last_words() -> None:
    """Let what was cancelled end, and transports that were closed close their sockets."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait([*others, asyncio.ensure_future(asyncio.sleep(0))], timeout=_CLOSE_SECONDS)
    await asyncio.sleep(0)


async def _within(work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(_CLOSE_SECONDS / 2):
        await work


class _Passing(Generic[T]):
    """Items from a loop to another thread, with room for a few."""

    def __init__(self, loop: asyncio.AbstractEventLoop, produce: Produce[T]) -> None:
        self._loop = loop
        self._produce = produce
        self._room = asyncio.Semaphore(AHEAD)
        self._items: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()

    async def run(self) -> None:
        try:
            await self._produce(self._put)
        except asyncio.CancelledError:
            self._items.put(JobCancelled())
            raise
        except BaseException as error:  # noqa: BLE001  it is raised again where the items are used
            self._items.put(error)
        else:
            self._items.put(None)

    async def _put(self, item: T) -> None:
        await self._room.acquire()
        self._items.put((item,))

    def __iter__(self) -> Iterator[T]:
        while (item := self._items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._loop.call_soon_threadsafe(self._room.release)
            yield item[0]

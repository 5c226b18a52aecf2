"""Work that goes on when the request that began it has its answer, or is gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Workshop:
    """Owns the changes that are under way in this process: a background, which waits for them at the end."""

    def __init__(self) -> None:
        self._works: set[asyncio.Task[Any]] = set()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """The process is about to end: nobody waits for a work any more, and each goes on while it can."""
        self._ending.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for `stop`, then for what is under way; a supervisor that won't wait cancels that."""
        await stop.wait()
        await self.close()

    async def close(self) -> None:
        """Wait for what is under way. A cancellation ends it: the target undoes what wasn't committed."""
        try:
            if self._works:
                await asyncio.wait(self._works)
        except asyncio.CancelledError:
            for work in self._works:
                work.cancel()
            await asyncio.gather(*self._works, return_exceptions=True)
            raise

    async def carry_out(self, work: Coroutine[Any, Any, T], *, patience: float | None) -> T | None:
        """Begin a work; its result, or None when it isn't over after `patience` seconds and goes on.

        Whoever waits here may be cancelled; the work isn't, but for one that is waited for to its end.
        """
        task = asyncio.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._over)
        if patience is None:
            return await _along(task)
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({task, ending}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
        return task.result() if task.done() else None

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._works.discard(task)
        if not task.cancelled():
            task.exception()  # the work has written it down; nobody may be left to ask


async def _along(task: "asyncio.Task[T]") -> T:
    """Its result; when whoever waits is cancelled, so is the work, and its end is waited for."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    return task.result()

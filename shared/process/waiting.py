"""Waiting with a bound: for something or for the stop event, and longer after each failure."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double from `first` to `longest`, each with jitter (50 to 100 %)."""

    first: float
    longest: float

    def seconds(self, failures: int) -> float:
        """The pause after so many failures in a row, 1 or more."""
        whole = min(self.longest, self.first * 2.0 ** min(max(failures - 1, 0), 60))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Trouble:
    """A failure that goes on: decides when to log it, so that a night of it is a few lines."""

    def __init__(self) -> None:
        self.times = 0
        self._reason: str | None = None

    def is_news(self, reason: str) -> bool:
        """Note one more failure. True for a new reason, and for its 2nd, 4th, 8th time and so on."""
        self.times = self.times + 1 if reason == self._reason else 1
        self._reason = reason
        return self.times & (self.times - 1) == 0

    def over(self) -> bool:
        """Note that it works. True when it didn't before."""
        was = self._reason is not None
        self.times, self._reason = 0, None
        return was


def ours(error: BaseException) -> bool:
    """Whether this is a cancellation that somebody asked of the current task.

    Libraries raise CancelledError of their own when a connection breaks; that is a failure like others.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def unless(stop: asyncio.Event, work: Callable[[], Awaitable[T]]) -> T | None:
    """What `work` gives; None when the stop event came first. An error of `work` is raised."""
    found: list[T] = []

    async def wait() -> None:
        found.append(await work())

    if not await until(wait(), stop):
        return None
    if not found:
        raise asyncio.CancelledError  # by itself, as libraries do: see `ours`
    return found[0]


async def until(waiting: Coroutine[Any, Any, Any], stop: asyncio.Event) -> bool:
    """Wait for `waiting` or for the stop event; False when it is time to stop, whichever came first.

    What wasn't waited for to its end is cancelled. An error of `waiting` is raised.
    """
    if stop.is_set():
        waiting.close()
        return False
    first, second = asyncio.ensure_future(waiting), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (first, second):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await second
    if first.done() and not first.cancelled() and not stop.is_set():
        first.result()
    return not stop.is_set()

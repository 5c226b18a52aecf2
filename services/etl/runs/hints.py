"""Hints between the parts of one process, so that news travels at once.

Nothing depends on a hint: whoever waits for one also looks into the database by itself every now and then.
`spreading` passes them on to other processes.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID


class Hints:
    """Tells those who follow a run that there is something new in the database."""

    def __init__(self) -> None:
        self.spread: Callable[[UUID], None] | None = None
        self._followers: dict[UUID, set[asyncio.Event]] = {}

    def tell(self, run_id: UUID) -> None:
        """Something about this run was committed here: tell everybody, elsewhere too."""
        self.heard(run_id)
        if self.spread is not None:
            self.spread(run_id)

    def heard(self, run_id: UUID) -> None:
        """Something about this run was committed somewhere: tell those who follow it here."""
        for follower in self._followers.get(run_id, ()):
            follower.set()

    @contextmanager
    def follow(self, run_id: UUID) -> Iterator["News"]:
        """Be told of a run; news that comes between two waits is not missed."""
        changed = asyncio.Event()
        self._followers.setdefault(run_id, set()).add(changed)
        try:
            yield News(changed)
        finally:
            followers = self._followers[run_id]
            followers.discard(changed)
            if not followers:
                del self._followers[run_id]


class News:
    """What one follower waits for."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed

    async def wait(self, seconds: float) -> None:
        """Return when there is news, after `seconds` in any case."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()


class RunHints:
    """The hints about runs: `news` after every commit, `cancels` when somebody asked for the end."""

    def __init__(self) -> None:
        self.news = Hints()
        self.cancels = Hints()

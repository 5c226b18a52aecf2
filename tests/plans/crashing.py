"""A process that applies a plan and is killed on its way: before a statement, before its commit, or after."""

import asyncio
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.etl.tables.dialects import Sql
from services.etl.tables.physical import Sight
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.targets._mysql_work import Carrying

from .databases import Resource
from .publishing import Publisher


@dataclass(frozen=True)
class Sent:
    """Before the statement of this number, from 1, that is sent to MySQL, those of our own books with it."""

    number: int


Point = int | Sent | Literal["before its commit", "after its commit"]
"""Where it ends: before the statement of this number, from 1, that people are shown, or around the commit."""

SECONDS: Final = 60.0


@dataclass(frozen=True)
class Apply:
    """All that a process needs to apply the plan that was shown."""

    resource: Resource
    wanted: Wanted
    plan_hash: str
    concurrently: bool
    point: Point


class Deadly(Publisher):
    """A publisher that ends its own process with SIGKILL at a point."""

    point: Point

    def told(self, step: int, _: int) -> None:
        """Called before each statement."""
        if step == self.point:
            die()

    def verified(self, _: Sight) -> None:
        """Called after the statements, before the commit."""
        if self.point == "before its commit":
            die()


def sending(told: Callable[[int], None]) -> Callable[[Carrying, Sql], Coroutine[Any, Any, None]]:
    """What sends a statement to MySQL, with somebody who is told the number of each before."""
    send, numbers = Carrying._execute, itertools.count(1)

    async def told_of(self: Carrying, sql: Sql) -> None:
        told(next(numbers))
        await send(self, sql)

    return told_of


def _end_before(number: int) -> None:
    send = sending(lambda sent: die() if sent == number else None)
    Carrying._execute = send  # type: ignore[method-assign, assignment]  # that is what this process is for


def die() -> None:
    """As a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def applying(job: Apply) -> None:
    """Run a plan until the point."""
    asyncio.run(_applying(job))


async def _applying(job: Apply) -> None:
    publisher = Deadly(job.resource.open(), job.resource.dialect, job.wanted)
    publisher.point = job.point
    if isinstance(job.point, Sent):
        _end_before(job.point.number)
    await publisher.apply(job.plan_hash, told=publisher.told, concurrently=job.concurrently)
    if job.point == "after its commit":
        die()


async def killed(job: Apply) -> None:
    """Apply in a process of its own and see it die at the point."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=applying, args=(job,))
    process.start()
    await asyncio.to_thread(process.join, SECONDS)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    process.close()
    assert code == -signal.SIGKILL, code

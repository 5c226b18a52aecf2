"""A process that is killed at any step of an apply: what is seen then is true, and the plan can be ended."""

from collections.abc import Callable
from typing import Final

import pytest

from services.etl.tables.errors import TargetBusy
from services.etl.tables.targets._mysql_work import Carrying

from .conftest import Room
from .crashing import Apply, Point, Sent, killed, sending
from .scenes import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMITS: Final[tuple[Point, ...]] = ("before its commit", "after its commit")
TRIES: Final = 20


async def killed_everywhere(room: Room, *, concurrently: bool = False) -> int:
    """Kill an apply at every point and end its plan each time; how many steps it has."""
    steps = await counted_steps(room, concurrently=concurrently)
    for point in (*range(1, steps + 1), *COMMITS):
        await killed_at(room, point, concurrently=concurrently)
    return steps


async def killed_at(room: Room, point: Point, *, concurrently: bool = False) -> None:
    """Kill an apply and end its plan."""
    async with room() as database:
        scene = Scene(database)
        await scene.ready()
        before = await database.picture()
        plan, findings = await scene.publisher.plan(concurrently=concurrently)
        assert not any(finding.rows for finding in findings)
        await killed(Apply(database.resource, scene.publisher.begin(), plan.hash, concurrently, point))
        await ended(scene, point, before, concurrently=concurrently)


async def counted_steps(
    room: Room, *, concurrently: bool = False, begin: Callable[[], None] = lambda: None
) -> int:
    """Apply without a crash; `begin` is called before."""
    told: list[tuple[int, int]] = []
    async with room() as database:
        scene = Scene(database)
        await scene.ready()
        plan, _ = await scene.publisher.plan(concurrently=concurrently)
        begin()
        await scene.publisher.apply(
            plan.hash, told=lambda step, of: told.append((step, of)), concurrently=concurrently
        )
        await scene.require_done()
    assert told == [(step, len(told)) for step in range(1, len(told) + 1)]
    return len(told)


async def ended(scene: Scene, point: Point, before: object, *, concurrently: bool) -> None:
    """What is seen is true: all or nothing where there is a transaction; and the plan leads to the end."""
    plan, findings = await scene.publisher.plan(concurrently=concurrently)
    assert not any(finding.rows for finding in findings), point
    assert plan.faults == (), point
    if point == "after its commit":
        assert (plan.kind, plan.statements) == ("adopt", ()), point
    elif scene.database.transactional and not concurrently:
        assert plan.kind == "change", point
        assert await scene.database.picture() == before, point
    for _ in range(TRIES):
        try:
            await scene.publisher.apply(plan.hash, concurrently=concurrently)
        except TargetBusy:  # the server hasn't seen yet that the process is gone
            continue
        break
    await scene.require_done()


async def test_sqlite_is_as_it_was_until_it_is_changed(sqlite: Room) -> None:
    assert await killed_everywhere(sqlite) > 5


@pytest.mark.postgres
async def test_postgresql_is_as_it_was_until_it_is_changed(postgresql: Room) -> None:
    assert await killed_everywhere(postgresql) > 5


@pytest.mark.postgres
async def test_postgresql_goes_on_where_indexes_are_made_concurrently(postgresql: Room) -> None:
    assert await killed_everywhere(postgresql, concurrently=True) > 5


@pytest.mark.mariadb
async def test_mysql_goes_on_from_wherever_it_ended(mysql: Room) -> None:
    assert await killed_everywhere(mysql) > 2


@pytest.mark.mariadb
async def test_mysql_goes_on_from_wherever_its_books_ended(
    mysql: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    with monkeypatch.context() as counting:
        counting.setattr(Carrying, "_execute", sending(sent.append))
        steps = await counted_steps(mysql, begin=sent.clear)
    assert len(sent) > steps
    for number in range(1, len(sent) + 1):
        await killed_at(mysql, Sent(number))

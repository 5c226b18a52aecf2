"""The loops that push runs on when whoever should have is gone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from services.etl.models import OutboxMessage
from services.etl.runner import identity
from services.etl.runner.repository import Claimed, Leases
from services.etl.runner.upkeep.loops import Reaper, Reconciler, Scheduler, Upkeep
from services.etl.runner.upkeep.repository import Workers
from services.etl.runs import endings
from services.etl.runs.models import Run, RunWorker
from services.etl.runs.states import State
from shared import clock
from shared.identifiers import RunId, uuid7
from tests.integration.etl_runs.scene import OTHER_TASK, TENANT, Scene


def loop(scene: Scene, kind: type[Upkeep]) -> Upkeep:
    return kind(scene.database, scene.hints, jitter=lambda longest: longest)


async def claim(scene: Scene, run: Run, worker: UUID | None = None) -> Claimed:
    async with scene.database.write() as session:
        claimed = await Leases(session).claim(RunId(run.id), worker or uuid7())
    assert claimed is not None
    return claimed


async def change(scene: Scene, run: Run, **values: Any) -> None:
    async with scene.database.write() as session:
        await session.execute(update(Run).where(Run.id == run.id).values(**values))


async def lease_ends(scene: Scene, run: Run, *, seconds_ago: float = 1.0) -> None:
    found = await scene.run(run.id)
    assert found.lease_until is not None
    await change(scene, run, lease_until=found.lease_until - timedelta(seconds=30.0 + seconds_ago))


async def announced(scene: Scene, run: Run) -> int:
    rows = OutboxMessage.__table__.c
    async with scene.database.read() as session:
        count = select(func.count()).where(rows.subject == f"run/{run.id}")
        return int(await session.scalar(count))


async def register(scene: Scene, who: identity.Identity) -> UUID:
    worker_id = uuid7()
    async with scene.database.write() as session:
        await Workers(session).register(worker_id, who, version="1", slots=1)
    return worker_id


async def workers(scene: Scene) -> set[UUID]:
    async with scene.database.read() as session:
        return set(await session.scalars(select(RunWorker.id)))


async def test_a_lease_that_is_not_over_is_left_alone(scene: Scene) -> None:
    run = await scene.start()
    await claim(scene, run)
    await loop(scene, Reaper).look()
    assert (await scene.run(run.id)).state == State.RUNNING


async def test_a_lease_that_is_over_makes_the_attempt_lost_and_the_run_wait(scene: Scene) -> None:
    run = await scene.start()
    claimed = await claim(scene, run)
    await lease_ends(scene, run)
    await loop(scene, Reaper).look()
    waiting, attempts = await scene.service.get(TENANT, RunId(run.id))
    assert (waiting.state, waiting.charged, waiting.lease_until) == (State.RETRY_WAIT, 1, None)
    assert waiting.problem is not None
    assert waiting.problem["code"] == "worker_lost"
    assert [attempt.outcome for attempt in attempts] == ["lost"]
    async with scene.database.write() as session:
        late = await Leases(session).finish(claimed, endings.success({}, adopted=False))
    assert late is None, "the late runner can't end it any more"
    assert (await scene.run(run.id)).state == State.RETRY_WAIT


async def test_a_late_heartbeat_finds_that_the_run_is_gone(scene: Scene) -> None:
    run = await scene.start()
    claimed = await claim(scene, run)
    await lease_ends(scene, run)
    await loop(scene, Reaper).look()
    async with scene.database.write() as session:
        assert await Leases(session).renew(claimed) is None


async def test_a_due_run_is_queued_and_announced_and_a_run_that_waits_longer_is_not(scene: Scene) -> None:
    run, other = await scene.start(), await scene.start(OTHER_TASK)
    for one in (run, other):
        await claim(scene, one)
        await lease_ends(scene, one)
    await loop(scene, Reaper).look()
    await change(scene, run, available_at=(await scene.run(run.id)).created_at)
    await change(scene, other, available_at=(await scene.run(run.id)).created_at + timedelta(hours=1))
    await loop(scene, Scheduler).look()
    assert (await scene.run(run.id)).state == State.QUEUED
    assert (await scene.run(other.id)).state == State.RETRY_WAIT
    assert (await announced(scene, run), await announced(scene, other)) == (2, 1)


async def test_a_dead_runner_of_this_machine_loses_its_runs_at_once(scene: Scene) -> None:
    here = identity.this_process()
    assert here.place is not None
    dead = await register(scene, identity.Identity(here.host, here.place, "4194305/1"))
    run = await scene.start()
    await claim(scene, run, dead)
    await loop(scene, Reaper).look()
    assert (await scene.run(run.id)).state == State.RETRY_WAIT
    assert dead not in await workers(scene)


@pytest.mark.parametrize(
    "who",
    [
        lambda here: here,
        lambda here: identity.Identity("elsewhere", "elsewhere/boot/pid:[1]", "4194305/1"),
        lambda here: identity.Identity(here.host, None, "4194305/None"),
    ],
    ids=["alive", "elsewhere", "unknown"],
)
async def test_a_runner_that_may_be_alive_keeps_its_runs(
    scene: Scene, who: Callable[[identity.Identity], identity.Identity]
) -> None:
    worker = await register(scene, who(identity.this_process()))
    run = await scene.start()
    await claim(scene, run, worker)
    await loop(scene, Reaper).look()
    assert (await scene.run(run.id)).state == State.RUNNING
    assert worker in await workers(scene)


async def test_a_queued_run_that_nobody_claims_is_announced_again_but_not_too_often(scene: Scene) -> None:
    run = await scene.start()
    await loop(scene, Reconciler).look()
    assert await announced(scene, run) == 1
    await empty_outbox(scene)
    await change(scene, run, announced_at=run.created_at - timedelta(seconds=61))
    for _ in range(3):
        await loop(scene, Reconciler).look()
    assert await announced(scene, run) == 1


async def test_nothing_is_announced_again_while_the_outbox_itself_waits(scene: Scene) -> None:
    run = await scene.start()
    await change(scene, run, announced_at=run.created_at - timedelta(seconds=61))
    async with scene.database.write() as session:
        outbox = OutboxMessage.__table__
        await session.execute(
            update(OutboxMessage).values({outbox.c.available_at: run.created_at - timedelta(seconds=61)})
        )
    await loop(scene, Reconciler).look()
    assert await announced(scene, run) == 1


async def test_a_run_that_waits_behind_nobody_moves_up(scene: Scene) -> None:
    first = await scene.start()
    second = await scene.start(queue_behind=True)
    await change(scene, first, active_key=None, state=State.FAILED.value)
    await loop(scene, Reconciler).look()
    assert not (await scene.run(second.id)).waiting_behind
    assert await announced(scene, second) == 1


async def test_a_run_out_of_attempts_is_not_dead_before_the_target_was_asked(scene: Scene) -> None:
    run = await scene.start()
    await change(scene, run, max_attempts=1)
    claimed = await claim(scene, run)
    scene.executor.ledger.add(run.id)
    await lease_ends(scene, run)
    await loop(scene, Reaper).look()
    assert (await scene.run(run.id)).state == State.RUNNING
    assert await announced(scene, run) == 2
    async with scene.at_work(scene.runner()):
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.adopted
    assert done.fence > claimed.fence
    assert not scene.executor.jobs, "nothing was loaded again"


async def test_a_run_that_nobody_comes_to_settle_ends_all_the_same(scene: Scene) -> None:
    run = await scene.start()
    await claim(scene, run)
    await scene.service.cancel(TENANT, RunId(run.id))
    await lease_ends(scene, run)
    await loop(scene, Reaper).look()
    assert (await scene.run(run.id)).state == State.CANCELLING
    await lease_ends(scene, run, seconds_ago=400)
    await loop(scene, Reaper).look()
    done = await scene.run(run.id)
    assert done.state == State.CANCELLED
    assert done.problem is not None
    assert done.problem["code"] == "outcome_unknown"


async def test_silent_runners_are_forgotten(scene: Scene) -> None:
    worker = await register(scene, identity.Identity("elsewhere", None, "1/1"))
    await loop(scene, Reconciler).look()
    assert worker in await workers(scene)
    async with scene.database.write() as session:
        await session.execute(update(RunWorker).values(heartbeat_at=clock.now() - timedelta(hours=2)))
    await loop(scene, Reconciler).look()
    assert worker not in await workers(scene)


async def empty_outbox(scene: Scene) -> None:
    async with scene.database.write() as session:
        for message in await session.scalars(select(OutboxMessage)):
            await session.delete(message)

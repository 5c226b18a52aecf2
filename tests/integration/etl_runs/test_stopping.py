"""Runners that stop, and runners that lose their lease."""

import asyncio

import pytest
from sqlalchemy import update

from services.etl.runner.means import Timing
from services.etl.runs.models import Run
from services.etl.runs.states import State
from tests.integration.etl_runs.plays import (
    away,
    fail_for_good,
    nobody_is_at_work,
    outcomes,
    workers,
)
from tests.integration.etl_runs.scene import (
    Gate,
    Scene,
    eventually,
    succeed,
)


async def test_a_runner_that_stops_gives_its_run_back_uncharged(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate, succeed]
    async with scene.at_work(scene.runner(grace=0.05)):
        run = await scene.start()
        await gate.reached.wait()
    waiting = await scene.run(run.id)
    assert (waiting.state, waiting.charged, waiting.lease_owner) == (State.RETRY_WAIT, 0, None)
    assert await outcomes(scene, run) == ["released"]
    assert not await workers(scene)
    async with scene.at_work():
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert (done.attempt, done.charged) == (2, 1)


async def test_a_runner_that_stops_lets_a_run_end_within_its_grace(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    stopped = asyncio.Event()
    runner = scene.runner(grace=30.0)
    async with scene.at_work(*scene.upkeep()), asyncio.TaskGroup() as group:
        group.create_task(runner.run(stopped))
        run = await scene.start()
        await gate.reached.wait()
        stopped.set()
        gate.open.set()
        await scene.becomes(run.id, State.SUCCEEDED)


async def test_a_run_that_fails_while_its_runner_stops_has_failed(scene: Scene) -> None:
    gate = Gate(fail_for_good)
    scene.executor.plays = [gate]
    stopped = asyncio.Event()
    async with scene.at_work(*scene.upkeep()), asyncio.TaskGroup() as group:
        group.create_task(scene.runner(grace=30.0).run(stopped))
        run = await scene.start()
        await gate.reached.wait()
        stopped.set()
        gate.open.set()
        await scene.becomes(run.id, State.FAILED)


async def test_a_runner_that_can_not_renew_stops_its_work_before_the_lease_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    scene.executor.plays = [gate, succeed]
    timing = Timing(heartbeat=0.05, self_fence=0.3, note=0.05, again=0.05)
    async with scene.at_work(scene.runner(timing=timing)):
        run = await scene.start()
        await gate.reached.wait()
        monkeypatch.setattr("services.etl.runner.repository.Leases.renew", away)
        await eventually(nobody_is_at_work(scene))
        held = await scene.run(run.id)
        assert (held.state, await outcomes(scene, run)) == (State.RUNNING, [None])


async def test_an_attempt_that_was_overtaken_stops_and_changes_nothing(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    async with scene.at_work(scene.runner()):
        run = await scene.start()
        await gate.reached.wait()
        async with scene.database.write() as session:
            await session.execute(update(Run).where(Run.id == run.id).values(fence=Run.fence + 1))
        await eventually(nobody_is_at_work(scene))
        overtaken = await scene.run(run.id)
        assert (overtaken.state, overtaken.state_seq) == (State.RUNNING, 1)

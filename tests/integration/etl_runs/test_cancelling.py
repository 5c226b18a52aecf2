"""Cancelled runs, and runs whose time is over: the target has the last word."""

import asyncio

from services.etl.pipeline.job import Job
from services.etl.runner.means import Timing
from services.etl.runner.messages import (
    Lost,
    Outcome,
    Phase,
)
from services.etl.runs.states import State
from shared.errors import Throttled, Unavailable
from shared.identifiers import RunId
from tests.integration.etl_runs.plays import (
    fail_for_now,
    outcomes,
    types,
)
from tests.integration.etl_runs.scene import (
    TENANT,
    Gate,
    OnMessage,
    Scene,
)


async def test_a_connection_that_breaks_while_committing_leaves_a_doubt_that_a_cancel_clears(
    scene: Scene,
) -> None:
    async def break_while_committing(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Phase(name="committing"))
        scene.executor.ledger.add(job.run_id)
        return await fail_for_now(job, on_message)

    scene.executor.plays = [break_while_committing]
    async with scene.at_work(scene.runner()):
        run = await scene.start()
        await scene.becomes(run.id, State.RETRY_WAIT)
        await scene.service.cancel(TENANT, RunId(run.id))
        await scene.becomes(run.id, State.SUCCEEDED)


async def test_a_running_run_is_cancelled_quickly(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    slow = Timing(heartbeat=60.0, note=0.05, again=0.05)
    async with scene.at_work(scene.runner(timing=slow), *scene.upkeep()):
        run = await scene.start()
        await gate.reached.wait()
        assert (await scene.service.cancel(TENANT, RunId(run.id))).state == State.CANCELLING
        await scene.becomes(run.id, State.CANCELLED)
    assert await types(scene, run) == ["queued", "running", "cancelling", "cancelled"]
    assert await outcomes(scene, run) == ["cancelled"]
    assert len(scene.executor.settled) == 1


async def test_a_cancel_by_another_process_is_seen_at_the_next_heartbeat(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    async with scene.at_work():
        run = await scene.start()
        await gate.reached.wait()
        await Scene(scene.database, scene.folder).service.cancel(TENANT, RunId(run.id))
        await scene.becomes(run.id, State.CANCELLED)


async def test_a_cancel_that_comes_after_the_commit_ends_in_success(scene: Scene) -> None:
    gate = Gate()

    async def commit_and_wait(job: Job, on_message: OnMessage) -> Outcome:
        scene.executor.ledger.add(job.run_id)
        return await gate(job, on_message)

    scene.executor.plays = [commit_and_wait]
    async with scene.at_work():
        run = await scene.start()
        await gate.reached.wait()
        await scene.service.cancel(TENANT, RunId(run.id))
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.adopted
    assert await types(scene, run) == ["queued", "running", "cancelling", "succeeded"]


async def test_a_cancelled_run_whose_target_is_away_ends_and_says_what_is_unknown(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    scene.executor.settle_error = Unavailable(what="The target")
    async with scene.at_work():
        run = await scene.start()
        await gate.reached.wait()
        await scene.service.cancel(TENANT, RunId(run.id))
        done = await scene.becomes(run.id, State.CANCELLED)
    assert done.problem is not None
    assert done.problem["code"] == "outcome_unknown"


async def test_a_cancelled_run_whose_target_never_answers_ends_as_soon(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    scene.executor.settle_gate = asyncio.Event()
    async with scene.at_work():
        run = await scene.start()
        await gate.reached.wait()
        await scene.service.cancel(TENANT, RunId(run.id))
        done = await scene.becomes(run.id, State.CANCELLED)
    assert done.problem is not None
    assert done.problem["code"] == "outcome_unknown"


async def test_a_run_that_waits_for_its_next_attempt_after_a_loss_asks_the_target_when_cancelled(
    scene: Scene,
) -> None:
    async def commit_and_get_lost(job: Job, on_message: OnMessage) -> Outcome:
        scene.executor.ledger.add(job.run_id)
        return Lost(reason="killed by signal 9")

    scene.executor.plays = [commit_and_get_lost]
    async with scene.at_work(scene.runner()):
        run = await scene.start()
        await scene.becomes(run.id, State.RETRY_WAIT)
        assert (await scene.service.cancel(TENANT, RunId(run.id))).state == State.CANCELLING
        await scene.becomes(run.id, State.SUCCEEDED)


async def test_a_run_that_takes_too_long_is_timed_out(scene: Scene) -> None:
    scene.tasks.timeout_seconds = 1
    scene.executor.plays = [Gate()]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.TIMED_OUT)
    assert done.problem is not None
    assert done.problem["code"] == "run_timed_out"
    assert await outcomes(scene, run) == ["timed_out"]


async def test_waiting_for_the_next_attempt_counts_as_time_of_the_run(scene: Scene) -> None:
    scene.tasks.timeout_seconds = 1

    async def be_away(job: Job, on_message: OnMessage) -> Outcome:
        raise Throttled(retry_after=3_600)

    scene.executor.plays = [be_away]
    async with scene.at_work():
        run = await scene.start()
        await scene.becomes(run.id, State.TIMED_OUT)
    assert len(scene.executor.jobs) == 1

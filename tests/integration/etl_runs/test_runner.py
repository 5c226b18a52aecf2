"""A runner with its loops: what becomes of a run, whatever its work comes to."""

import pytest

from services.etl.pipeline.job import Counts, Job
from services.etl.runner.messages import (
    Lost,
    Outcome,
)
from services.etl.runs.states import State
from shared.db.errors import AlreadyExists
from shared.errors import Invalid, Throttled, Unavailable
from tests.integration.etl_runs.plays import (
    fail_for_good,
    fail_for_now,
    get_lost,
    outcomes,
    types,
)
from tests.integration.etl_runs.scene import (
    COUNTS,
    OTHER_TASK,
    OnMessage,
    Scene,
    eventually,
    succeed,
)


async def test_a_run_succeeds_and_says_what_it_did(scene: Scene) -> None:
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert Counts.model_validate(done.counts) == COUNTS
    assert (done.attempt, done.charged, done.adopted, done.problem) == (1, 1, False, None)
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.lease_owner is None
    assert await types(scene, run) == ["queued", "running", "succeeded"]
    assert await outcomes(scene, run) == ["succeeded"]


async def test_the_job_carries_run_attempt_fence_and_table(scene: Scene) -> None:
    scene.executor.plays = [fail_for_now, succeed]
    async with scene.at_work():
        run = await scene.start()
        await scene.becomes(run.id, State.SUCCEEDED)
    first, second = scene.executor.jobs
    assert (first.run_id, first.attempt, second.attempt) == (run.id, 1, 2)
    assert second.fence > first.fence
    assert first.table_key == run.table_key


async def test_fences_grow_across_all_runs(scene: Scene) -> None:
    async with scene.at_work():
        for task in (OTHER_TASK, None, OTHER_TASK):
            run = await (scene.start(task) if task else scene.start())
            await scene.becomes(run.id, State.SUCCEEDED)
    fences = [job.fence for job in scene.executor.jobs]
    assert fences == sorted(set(fences))


async def test_an_error_that_may_pass_is_tried_again(scene: Scene) -> None:
    scene.executor.plays = [fail_for_now, succeed]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert await types(scene, run) == ["queued", "running", "retry_wait", "queued", "running", "succeeded"]
    assert await outcomes(scene, run) == ["failed", "succeeded"]
    assert done.problem is None


async def test_an_error_for_good_fails_at_once_with_its_place(scene: Scene) -> None:
    scene.executor.plays = [fail_for_good]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.FAILED)
    assert done.problem is not None
    assert done.problem["code"] == "column_unknown"
    assert done.problem["loc"] == ["steps", 1]
    assert done.problem["step"] == "cast_types"
    assert done.counts is not None
    assert await outcomes(scene, run) == ["failed"]


async def test_a_run_that_always_fails_is_dead_after_its_attempts(scene: Scene) -> None:
    scene.executor.plays = [fail_for_now]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.DEAD)
    assert done.charged == done.max_attempts == len(scene.executor.jobs)
    assert not scene.executor.settled, "nothing was cut off, so there is nothing to ask"


async def test_a_run_that_kills_its_child_each_time_is_dead_and_hurts_nobody(scene: Scene) -> None:
    async def poison(job: Job, on_message: OnMessage) -> Outcome:
        play = get_lost if job.table_key == str(OTHER_TASK) else succeed
        return await play(job, on_message)

    scene.executor.plays = [poison]
    async with scene.at_work():
        bad, good = await scene.start(OTHER_TASK), await scene.start()
        await scene.becomes(good.id, State.SUCCEEDED)
        done = await scene.becomes(bad.id, State.DEAD)
    assert done.problem is not None
    assert done.problem["code"] == "worker_lost"
    assert "812 MiB" in done.problem["message"]
    assert set(await outcomes(scene, bad)) == {"lost"}
    assert (await scene.run(good.id)).attempt == 1


async def test_a_lost_child_whose_rows_were_committed_is_a_success_that_was_adopted(scene: Scene) -> None:
    async def commit_and_get_lost(job: Job, on_message: OnMessage) -> Outcome:
        scene.executor.ledger.add(job.run_id)
        return Lost(reason="killed by signal 9")

    scene.executor.plays = [commit_and_get_lost]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.adopted
    assert await outcomes(scene, run) == ["lost", "succeeded"]


async def test_the_last_attempt_asks_the_target_before_the_run_is_dead(scene: Scene) -> None:
    async def commit_on_the_last(job: Job, on_message: OnMessage) -> Outcome:
        if job.attempt == 5:
            scene.executor.ledger.add(job.run_id)
        return Lost(reason="killed by signal 9")

    scene.executor.plays = [commit_on_the_last]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.adopted
    assert done.attempt == 5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable(what="System"), "transient"),
        (Throttled(retry_after=0), "throttled"),
    ],
)
async def test_a_service_of_ours_that_is_away_uses_up_no_attempts(
    sqlite_scene: Scene, error: Exception, kind: str
) -> None:
    scene = sqlite_scene
    scene.tasks.error = error
    async with scene.at_work():
        run = await scene.start()

        async def tried_often() -> bool:
            return (await scene.run(run.id)).attempt > 2 * run.max_attempts

        await eventually(tried_often)
        problem = (await scene.run(run.id)).problem
        scene.tasks.error = None
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.charged == 1
    assert problem is None or problem["kind"] == kind


async def test_a_service_of_ours_is_waited_for_no_longer_than_the_run_has_time(sqlite_scene: Scene) -> None:
    scene = sqlite_scene
    scene.tasks.timeout_seconds, scene.tasks.error = 1, Unavailable(what="System")
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.TIMED_OUT)
    assert done.problem is not None
    assert done.problem["code"] == "run_timed_out"


@pytest.mark.parametrize("error", [Invalid(loc=("steps", 0)), AlreadyExists(), ZeroDivisionError("a bug")])
async def test_an_error_for_good_while_the_job_is_made_fails_the_run(
    sqlite_scene: Scene, error: Exception
) -> None:
    scene = sqlite_scene
    scene.tasks.error = error
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.FAILED)
    assert done.problem is not None
    assert done.problem["kind"] == "permanent"
    assert "a bug" not in done.problem["message"]
    assert not scene.executor.jobs

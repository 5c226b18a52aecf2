"""A runner with its loops: what becomes of a run, whatever its work comes to."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select, update

from services.etl.pipeline.job import Counts, Job
from services.etl.runner.means import Timing
from services.etl.runner.messages import (
    Backend,
    Failed,
    Lost,
    Outcome,
    Phase,
    Progress,
    Reject,
    Rejects,
    Succeeded,
)
from services.etl.runs.models import Run, RunAttempt, RunWorker
from services.etl.runs.states import State
from shared.bus.topology import DEAD_LETTER_QUEUE, RUN_QUEUE, RUN_REQUESTED, TOPOLOGY
from shared.contracts.envelope import Envelope
from shared.contracts.messages import RunRequested
from shared.db.errors import AlreadyExists
from shared.errors import Invalid, Throttled, Unavailable
from shared.identifiers import RunId, TaskId, uuid7
from shared.process.background import Supervisor
from tests.integration.etl_runs.scene import (
    COUNTS,
    OTHER_TASK,
    TENANT,
    Gate,
    OnMessage,
    Scene,
    eventually,
    succeed,
)


async def fail_for_now(job: Job, on_message: OnMessage) -> Outcome:
    return Failed(code="target_away", message="The target is away.", transient=True)


async def fail_for_good(job: Job, on_message: OnMessage) -> Outcome:
    return Failed(
        code="column_unknown", message="No such column.", loc=("steps", 1), step="cast_types", counts=COUNTS
    )


async def get_lost(job: Job, on_message: OnMessage) -> Outcome:
    return Lost(reason="killed by signal 9", peak_memory_mb=812)


async def types(scene: Scene, run: Run) -> list[str]:
    return [event.type for event in await scene.events(run.id)]


async def outcomes(scene: Scene, run: Run) -> list[str | None]:
    _, attempts = await scene.service.get(TENANT, RunId(run.id))
    return [attempt.outcome for attempt in attempts]


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
        (Invalid(loc=("steps", 0)), "permanent"),
        (AlreadyExists(), "permanent"),
        (ZeroDivisionError("a bug"), "permanent"),
    ],
)
async def test_an_error_while_the_job_is_made_is_one_of_the_run(
    sqlite_scene: Scene, error: Exception, kind: str
) -> None:
    scene = sqlite_scene
    scene.tasks.error = error
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.FAILED if kind == "permanent" else State.DEAD)
    assert done.problem is not None
    assert done.problem["kind"] == kind
    assert "a bug" not in done.problem["message"]
    assert not scene.executor.jobs


async def test_a_message_delivered_many_times_is_one_attempt(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    async with scene.at_work():
        run = await scene.start()
        await gate.reached.wait()
        await publish_again(scene, run, times=5)
        gate.open.set()
        await scene.becomes(run.id, State.SUCCEEDED)
        await publish_again(scene, run, times=5)
        await eventually(queue_is_empty(scene))
    assert len(scene.executor.jobs) == 1
    assert await types(scene, run) == ["queued", "running", "succeeded"]


async def test_a_message_that_names_no_run_is_a_dead_letter(scene: Scene) -> None:
    async with scene.at_work():
        envelope = Envelope(source="/test", type=RunRequested.type, subject="run", data={"run_id": "x"})
        await publish(scene, envelope)
        run = await scene.start()
        await scene.becomes(run.id, State.SUCCEEDED)
        await eventually(queue_is_empty(scene))
        assert len(scene.bus._queues[DEAD_LETTER_QUEUE.name]) == 1


async def test_a_run_whose_message_was_lost_is_found_in_the_database(scene: Scene) -> None:
    run = await scene.start()
    await scene.bus.declare(TOPOLOGY)
    async with Supervisor(scene.runner()):
        await scene.becomes(run.id, State.SUCCEEDED)
    assert await scene.outbox() == 1, "no relay was there to send it"


async def test_slots_bound_what_is_carried_out_at_a_time(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    async with scene.at_work(scene.runner(slots=2), *scene.upkeep()):
        runs = [await scene.start(TaskId(uuid7())) for _ in range(5)]
        await gate.reached.wait()
        gate.open.set()
        for run in runs:
            await scene.becomes(run.id, State.SUCCEEDED)
    assert scene.executor.most_at_work <= 2


async def test_two_runners_share_the_work_and_no_run_is_done_twice(scene: Scene) -> None:
    async with scene.at_work(scene.runner(slots=2), scene.runner(slots=2), *scene.upkeep()):
        runs = [await scene.start(TaskId(uuid7())) for _ in range(20)]
        for run in runs:
            await scene.becomes(run.id, State.SUCCEEDED)
    assert sorted(str(job.run_id) for job in scene.executor.jobs) == sorted(str(run.id) for run in runs)


async def test_progress_phases_and_rejects_are_kept(scene: Scene) -> None:
    async def tell(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Backend(pid=4711))
        await on_message(Phase(name="loading"))
        for read in range(1, 200):
            await on_message(Progress(read=read, written=0, rejected=0, bytes_read=read, bytes_total=200))
        bad = [reject(n, value=f"bad\0{n}") for n in range(1, 1_501)]
        await on_message(Rejects(rejects=bad))
        return Succeeded(counts=COUNTS)

    scene.executor.plays = [tell]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.progress is not None
    assert (done.progress["read"], done.progress["phase"]) == (199, "loading")
    assert done.reject_counts == [{"step": "csv", "column": "fare", "code": "cast_failed", "rows": 1_500}]
    kept = await scene.service.rejects(TENANT, RunId(run.id), after=0, limit=2_000)
    assert [row.record for row in kept] == list(range(1, 1_001))
    assert kept[0].value == "bad\u24001"
    events = await scene.events(run.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    told = [event.type for event in events]
    assert told[:2] == ["queued", "running"]
    assert told[-1] == "succeeded"
    assert "phase" in told
    assert told.count("progress") < 20, "199 messages are not 199 events"
    assert await backend_of(scene, run) == 4711


async def test_rejects_are_those_of_the_attempt_that_counts(scene: Scene) -> None:
    async def reject_and_fail(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Rejects(rejects=[reject(1), reject(2)]))
        return Failed(code="target_away", message="The target is away.", transient=True)

    async def reject_one(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Rejects(rejects=[reject(7)]))
        return Succeeded(counts=COUNTS)

    scene.executor.plays = [reject_and_fail, reject_one]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    kept = await scene.service.rejects(TENANT, RunId(run.id), after=0, limit=10)
    assert [(row.record, row.attempt) for row in kept] == [(7, 2)]
    assert done.reject_counts is not None
    assert done.reject_counts[0]["rows"] == 1


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
        await Scene(scene.database).service.cancel(TENANT, RunId(run.id))
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


async def test_a_reader_sees_each_event_once_and_in_order_until_the_end(scene: Scene) -> None:
    gate = Gate()
    scene.executor.plays = [gate]
    seen: list[int] = []

    async def follow(run: Run) -> None:
        async for event in scene.service.follow(TENANT, RunId(run.id), after=0):
            seen.append(event.seq)
            if event.type == "running":
                gate.open.set()

    async with scene.at_work():
        run = await scene.start()
        await asyncio.wait_for(follow(run), 30.0)
    assert seen == [1, 2, 3]


async def test_a_reader_that_resumes_gets_only_what_it_has_not_seen(scene: Scene) -> None:
    async with scene.at_work():
        run = await scene.start()
        await scene.becomes(run.id, State.SUCCEEDED)
    rest = [event.type async for event in scene.service.follow(TENANT, RunId(run.id), after=2)]
    assert rest == ["succeeded"]
    nothing = [event async for event in scene.service.follow(TENANT, RunId(run.id), after=3)]
    assert not nothing


async def test_runs_start_while_the_bus_is_away_and_are_carried_out_when_it_is_back(scene: Scene) -> None:
    runs = [await scene.start(TaskId(uuid7())) for _ in range(3)]
    assert await scene.outbox() == 3
    async with scene.at_work():
        for run in runs:
            await scene.becomes(run.id, State.SUCCEEDED)
        await eventually(outbox_is_empty(scene))


def reject(record: int, value: str = "x") -> Reject:
    return Reject(
        record=record,
        line=record,
        column="fare",
        value=value,
        expected="int32",
        code="cast_failed",
        reason="This is no number.",
        step="csv",
    )


async def away(*_: object) -> State:
    raise Unavailable(what="The database")


def nobody_is_at_work(scene: Scene) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return scene.executor.at_work == 0

    return look


def outbox_is_empty(scene: Scene) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await scene.outbox() == 0

    return look


def queue_is_empty(scene: Scene) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not len(scene.bus._queues[RUN_QUEUE.name])

    return look


async def publish(scene: Scene, envelope: Envelope) -> None:
    await scene.bus.publish(
        envelope.model_dump_json().encode(),
        to=RUN_REQUESTED,
        message_id=str(envelope.id),
        message_type=envelope.type,
    )


async def publish_again(scene: Scene, run: Run, *, times: int) -> None:
    data = {"tenant_id": str(run.tenant_id), "run_id": str(run.id)}
    for _ in range(times):
        await publish(scene, Envelope(source="/test", type=RunRequested.type, subject="run", data=data))


async def workers(scene: Scene) -> list[RunWorker]:
    async with scene.database.read() as session:
        return list(await session.scalars(select(RunWorker)))


async def backend_of(scene: Scene, run: Run) -> int | None:
    async with scene.database.read() as session:
        found: int | None = await session.scalar(
            select(RunAttempt.backend).where(RunAttempt.run_id == run.id)
        )
        return found

"""What a run tells while it is at work: progress, phases, rejected rows, events."""

import asyncio

from services.etl.pipeline.job import Job
from services.etl.runner.messages import (
    Backend,
    Failed,
    Lost,
    Outcome,
    Phase,
    Progress,
    Rejects,
    Succeeded,
)
from services.etl.runs.models import Run
from services.etl.runs.states import State
from shared.identifiers import RunId
from tests.integration.etl_runs.plays import (
    backend_of,
    reject,
)
from tests.integration.etl_runs.scene import (
    COUNTS,
    TENANT,
    Gate,
    OnMessage,
    Scene,
    succeed,
)


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
    assert done.rejects == {"attempt": 1, "rows": 1_500, "complete": True}
    kept = await scene.rejects_of(run.id)
    assert [row.record for row in kept] == list(range(1, 1_501))
    assert kept[0].value == "bad\x001"
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
    kept = await scene.rejects_of(run.id)
    assert [(row.record, row.attempt) for row in kept] == [(7, 2)]
    assert done.reject_counts is not None
    assert done.reject_counts[0]["rows"] == 1


async def test_rejects_of_an_attempt_that_had_committed_are_kept(scene: Scene) -> None:
    async def commit_and_get_lost(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Rejects(rejects=[reject(1), reject(2)]))
        scene.executor.ledger.add(job.run_id)
        return Lost(reason="killed by signal 9")

    scene.executor.plays = [commit_and_get_lost]
    async with scene.at_work():
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.adopted
    assert [(row.record, row.attempt) for row in await scene.rejects_of(run.id)] == [(1, 1), (2, 1)]


async def test_files_of_attempts_that_do_not_count_are_removed(scene: Scene) -> None:
    async def reject_and_fail(job: Job, on_message: OnMessage) -> Outcome:
        await on_message(Rejects(rejects=[reject(1)]))
        return Failed(code="target_away", message="The target is away.", transient=True)

    scene.executor.plays = [reject_and_fail, succeed]
    async with scene.at_work():
        run = await scene.start()
        await scene.becomes(run.id, State.SUCCEEDED)
    assert await scene.rejects_of(run.id) == []
    assert [path for path in (scene.folder / "rejects").rglob("*") if path.is_file()] == []


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


async def test_a_reader_who_asks_beyond_the_end_gets_nothing(scene: Scene) -> None:
    run = await scene.start()
    await scene.service.cancel(TENANT, RunId(run.id))
    beyond = 10**17
    assert not await scene.service.events(TENANT, RunId(run.id), after=beyond, limit=10)
    assert not await scene.rejected.listed(TENANT, RunId(run.id), after=beyond, limit=10)
    assert not [event async for event in scene.service.follow(TENANT, RunId(run.id), after=beyond)]

import asyncio

import pytest

from services.etl.runs.errors import (
    IdempotencyKeyReused,
    RunActive,
    RunFinished,
    RunUnfinished,
    RunUnknown,
)
from services.etl.runs.models import Run
from services.etl.runs.repository import has_active
from services.etl.runs.schemas import RunQuery
from services.etl.runs.states import State
from shared.identifiers import RunId, TaskId, uuid7
from tests.integration.etl_runs.scene import OTHER_TASK, STRANGER, TASK, TENANT, USER, Scene, eventually


async def test_a_started_run_is_queued_with_its_event_and_its_message(scene: Scene) -> None:
    run = await scene.start()
    assert (run.state, run.attempt, run.waiting_behind) == (State.QUEUED, 0, False)
    assert [(event.seq, event.type) for event in await scene.events(run.id)] == [(1, "queued")]
    assert await scene.outbox() == 1


async def test_one_key_and_one_request_are_one_run(scene: Scene) -> None:
    first = await scene.start(idempotency_key="k")
    again = await scene.start(idempotency_key="k")
    assert again.id == first.id
    assert await scene.outbox() == 1


async def test_one_key_for_another_request_is_refused(scene: Scene) -> None:
    first = await scene.start(idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused, match=str(first.id)):
        await scene.start(OTHER_TASK, idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused):
        await scene.start(idempotency_key="k", queue_behind=True)


async def test_a_key_belongs_to_its_tenant(scene: Scene) -> None:
    first = await scene.start(idempotency_key="k")
    other = await scene.service.start(STRANGER, OTHER_TASK, requested_by=USER, idempotency_key="k")
    assert other.id != first.id


async def test_a_second_run_on_a_table_is_refused_and_told_of_the_first(scene: Scene) -> None:
    first = await scene.start()
    with pytest.raises(RunActive, match=str(first.id)):
        await scene.start()
    assert (await scene.start(OTHER_TASK)).state == State.QUEUED


async def test_a_target_with_one_writer_takes_one_run_for_all_its_tables(scene: Scene) -> None:
    scene.tasks.single_writer = True
    first = await scene.start()
    with pytest.raises(RunActive, match=str(first.id)):
        await scene.start(OTHER_TASK)


async def test_a_run_that_queues_behind_gets_the_table_when_the_first_is_over(scene: Scene) -> None:
    first = await scene.start()
    second = await scene.start(queue_behind=True)
    third = await scene.start(queue_behind=True)
    assert second.waiting_behind
    assert await scene.outbox() == 1, "nobody is called for a run that has to wait"
    await scene.service.cancel(TENANT, RunId(first.id))
    assert not (await scene.run(second.id)).waiting_behind
    assert (await scene.run(third.id)).waiting_behind
    assert await scene.outbox() == 2


async def test_a_waiting_run_can_be_cancelled_and_the_next_moves_up(scene: Scene) -> None:
    first = await scene.start()
    second = await scene.start(queue_behind=True)
    third = await scene.start(queue_behind=True)
    assert (await scene.service.cancel(TENANT, RunId(second.id))).state == State.CANCELLED
    await scene.service.cancel(TENANT, RunId(first.id))
    assert not (await scene.run(third.id)).waiting_behind


async def test_sixty_posts_at_once_make_one_run_of_one_table(scene: Scene) -> None:
    posts = [scene.start() for _ in range(60)]
    answers = await asyncio.gather(*posts, return_exceptions=True)
    started = [answer for answer in answers if isinstance(answer, Run)]
    assert len(started) == 1
    assert all(isinstance(answer, RunActive) for answer in answers if answer not in started)


async def test_sixty_posts_with_one_key_are_one_run(scene: Scene) -> None:
    answers = await asyncio.gather(*(scene.start(idempotency_key="k") for _ in range(60)))
    assert len({run.id for run in answers}) == 1
    assert await scene.outbox() == 1


async def test_sixty_posts_for_sixty_tables_are_sixty_runs(scene: Scene) -> None:
    tasks = [TaskId(uuid7()) for _ in range(60)]
    runs = await asyncio.gather(*(scene.start(task) for task in tasks))
    assert {run.task_id for run in runs} == set(tasks)
    assert await scene.outbox() == 60


async def test_sixty_posts_that_queue_behind_are_carried_out_one_by_one(scene: Scene) -> None:
    runs = await asyncio.gather(*(scene.start(queue_behind=True) for _ in range(60)))
    async with scene.at_work(scene.runner(slots=4), *scene.upkeep()):
        await eventually(scene.executor.has_committed(60), seconds=100.0)
        for run in runs:
            await scene.becomes(run.id, State.SUCCEEDED)
    assert scene.executor.most_at_work == 1


async def test_a_run_that_waits_is_cancelled_at_once_and_twice_is_the_same(scene: Scene) -> None:
    run = await scene.start()
    for _ in range(2):
        assert (await scene.service.cancel(TENANT, RunId(run.id))).state == State.CANCELLED
    assert [event.type for event in await scene.events(run.id)] == ["queued", "cancelled"]


async def test_a_run_that_is_over_can_be_retried_but_not_cancelled(scene: Scene) -> None:
    run = await scene.start()
    async with scene.at_work():
        await scene.becomes(run.id, State.SUCCEEDED)
    with pytest.raises(RunFinished, match="succeeded"):
        await scene.service.cancel(TENANT, RunId(run.id))
    with pytest.raises(RunUnfinished, match="succeeded"):
        await scene.service.retry(TENANT, RunId(run.id), requested_by=USER)


async def test_a_retry_is_a_new_run_that_names_the_old_one(scene: Scene) -> None:
    run = await scene.start()
    with pytest.raises(RunUnfinished, match="queued"):
        await scene.service.retry(TENANT, RunId(run.id), requested_by=USER)
    await scene.service.cancel(TENANT, RunId(run.id))
    for _ in range(2):
        again = await scene.service.retry(TENANT, RunId(run.id), requested_by=USER, idempotency_key="again")
        assert (again.replay_of, again.task_revision, again.state) == (run.id, 1, State.QUEUED)
    assert (await scene.run(run.id)).state == State.CANCELLED


async def test_a_stranger_finds_no_run(scene: Scene) -> None:
    run_id = RunId((await scene.start()).id)
    for ask in (scene.service.get, scene.service.cancel):
        with pytest.raises(RunUnknown):
            await ask(STRANGER, run_id)
    with pytest.raises(RunUnknown):
        await scene.service.retry(STRANGER, run_id, requested_by=USER)
    for listing in (scene.service.events, scene.rejected.listed):
        with pytest.raises(RunUnknown):
            await listing(STRANGER, run_id, after=0, limit=10)
    assert not (await scene.service.list(STRANGER, RunQuery())).items


async def test_runs_are_listed_newest_first_page_by_page(scene: Scene) -> None:
    runs = [await scene.start(TaskId(uuid7())) for _ in range(5)]
    expected = [run.id for run in reversed(runs)]
    page = await scene.service.list(TENANT, RunQuery(limit=3))
    rest = await scene.service.list(TENANT, RunQuery(limit=3, cursor=page.next_cursor))
    assert [run.id for run in (*page.items, *rest.items)] == expected
    assert rest.next_cursor is None


async def test_runs_are_listed_by_task_and_state(scene: Scene) -> None:
    run, other = await scene.start(), await scene.start(OTHER_TASK)
    await scene.service.cancel(TENANT, RunId(other.id))
    by_task = await scene.service.list(TENANT, RunQuery(task_id=TASK))
    by_state = await scene.service.list(TENANT, RunQuery(state=State.CANCELLED))
    assert [found.id for found in by_task.items] == [run.id]
    assert [found.id for found in by_state.items] == [other.id]


async def test_a_task_is_in_use_until_its_runs_are_over(scene: Scene) -> None:
    run = await scene.start()
    async with scene.database.read() as session:
        assert await has_active(session, TENANT, task_id=TASK)
        assert await has_active(session, TENANT, table_id=run.table_id)
        assert not await has_active(session, STRANGER, task_id=TASK)
    await scene.service.cancel(TENANT, RunId(run.id))
    async with scene.database.read() as session:
        assert not await has_active(session, TENANT, task_id=TASK)

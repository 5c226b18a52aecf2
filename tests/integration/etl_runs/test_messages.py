"""Messages wake a runner; whatever happens to them, a run is carried out once."""

from services.etl.runs.states import State
from shared.bus.topology import DEAD_LETTER_QUEUE, TOPOLOGY
from shared.contracts.envelope import Envelope
from shared.contracts.messages import RunRequested
from shared.identifiers import TaskId, uuid7
from shared.process.background import Supervisor
from tests.integration.etl_runs.plays import (
    outbox_is_empty,
    publish,
    publish_again,
    queue_is_empty,
    types,
)
from tests.integration.etl_runs.scene import (
    Gate,
    Scene,
    eventually,
)


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


async def test_runs_start_while_the_bus_is_away_and_are_carried_out_when_it_is_back(scene: Scene) -> None:
    runs = [await scene.start(TaskId(uuid7())) for _ in range(3)]
    assert await scene.outbox() == 3
    async with scene.at_work():
        for run in runs:
            await scene.becomes(run.id, State.SUCCEEDED)
        await eventually(outbox_is_empty(scene))

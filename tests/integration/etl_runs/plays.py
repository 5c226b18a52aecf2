"""Plays for the executor, and looks for `eventually`."""

from collections.abc import Awaitable, Callable

from sqlalchemy import select

from services.etl.pipeline.job import Job
from services.etl.runner.messages import (
    Failed,
    Lost,
    Outcome,
    Reject,
)
from services.etl.runs.models import Run, RunAttempt, RunWorker
from services.etl.runs.states import State
from shared.bus.topology import RUN_QUEUE, RUN_REQUESTED
from shared.contracts.envelope import Envelope
from shared.contracts.messages import RunRequested
from shared.errors import Unavailable
from shared.identifiers import RunId
from tests.integration.etl_runs.scene import (
    COUNTS,
    TENANT,
    OnMessage,
    Scene,
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

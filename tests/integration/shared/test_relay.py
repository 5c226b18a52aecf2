"""The relay brings every committed message to the bus, whatever the bus and the database do meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import prometheus_client
import pytest
import sqlalchemy as sa

from shared.bus.memory import MemoryBus
from shared.bus.port import Address, Bus, MessageTooLarge, PublishRefused, PublishUnknown, Queue
from shared.bus.topology import RUN_QUEUE, RUN_REQUESTED, SESSION_REVOKED, TOPOLOGY
from shared.contracts.envelope import Envelope
from shared.contracts.identity import TenantScope
from shared.contracts.messages import RunRequested, SessionRevoked
from shared.db import relay as relays
from shared.db.outbox import OUTBOX
from shared.db.relay import Relay
from shared.db.session import Database
from shared.db.types import utc_now
from shared.errors import Unavailable
from shared.identifiers import RunId, uuid7
from shared.observe import context
from tests.integration.shared.shop import OutboxMessage


@pytest.fixture
async def bus() -> MemoryBus:
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    return bus


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "_RETRY_SECONDS", (0.01, 0.02))


@asynccontextmanager
async def relaying(database: Database, bus: Bus, count: int = 1, **options: float) -> AsyncIterator[None]:
    """Relays at work, stopped in good order."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(new_relay(database, bus, **options).run(stop))
        try:
            yield
        finally:
            stop.set()


def new_relay(database: Database, bus: Bus, **options: float) -> Relay:
    registry = prometheus_client.CollectorRegistry()
    return Relay(database, bus, OutboxMessage, registry=registry, **({"poll": 0.02} | options))


async def ask_for_runs(database: Database, scope: TenantScope, count: int) -> set[str]:
    ids = set()
    async with database.write() as session:
        for _ in range(count):
            message = RunRequested(tenant_id=scope.tenant_id, run_id=RunId(uuid7()))
            ids.add(str(session.outbox.add(message, to=RUN_REQUESTED, subject="run/1", tenant_id=None)))
    return ids


async def receive(bus: Bus, ids: set[str], queue: Queue = RUN_QUEUE) -> list[str]:
    """The ids of messages, in the order they come, until all those expected have come."""
    seen: list[str] = []
    async with asyncio.timeout(20), bus.subscribe(queue) as subscription:
        while not ids <= set(seen):
            delivery = await anext(subscription)
            seen.append(delivery.message_id)
            await delivery.ack()
    return seen


async def emptied(database: Database) -> None:
    """Wait until the outbox is empty."""
    await holds(database, sa.select(sa.func.count() == 0).select_from(OUTBOX))


async def tried_twice(database: Database) -> None:
    """Wait until a message was tried for the second time."""
    await holds(database, sa.select(sa.func.max(OUTBOX.c.tries) >= 2))


async def holds(database: Database, condition: sa.Executable) -> None:
    async with asyncio.timeout(20):
        while True:
            async with database.read() as session:
                if await session.scalar(condition):
                    return
            await asyncio.sleep(0.01)


def failing(times: int, failure: Callable[[], BaseException]) -> Callable[[Address, str], Awaitable[None]]:
    """A fault of the bus that goes away after so many messages."""
    left = times

    async def fault(to: Address, message_id: str) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise failure()

    return fault


async def test_committed_messages_reach_the_bus_in_order_and_leave_the_outbox(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    async with relaying(database, bus):
        ids = [*await ask_for_runs(database, scope, 1), *await ask_for_runs(database, scope, 1)]
        assert await receive(bus, set(ids)) == ids
        await emptied(database)


async def test_more_messages_than_a_batch_holds_all_go(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    ids = await ask_for_runs(database, scope, 350)
    async with relaying(database, bus, poll=30.0):
        assert set(await receive(bus, ids)) == ids
        await emptied(database)


async def test_a_commit_wakes_the_relay(database: Database, bus: MemoryBus, scope: TenantScope) -> None:
    async with relaying(database, bus, poll=600.0):
        await asyncio.sleep(0.05)
        ids = await ask_for_runs(database, scope, 1)
        assert set(await receive(bus, ids)) == ids


async def test_messages_of_another_process_are_found_by_looking(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    ids = await ask_for_runs(database, scope, 3)
    async with relaying(database, bus):
        assert set(await receive(bus, ids)) == ids


async def test_the_envelope_says_what_the_row_knew(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    message = RunRequested(tenant_id=scope.tenant_id, run_id=RunId(uuid7()))
    token = context.TRACEPARENT.set("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    async with database.write() as session:
        identity = session.outbox.add(message, to=RUN_REQUESTED, subject="run/7", tenant_id=scope.tenant_id)
    context.TRACEPARENT.reset(token)
    async with relaying(database, bus), bus.subscribe(RUN_QUEUE) as subscription:
        delivery = await anext(subscription)
        envelope = Envelope.model_validate_json(delivery.body)
    assert (envelope.id, envelope.source, envelope.subject) == (identity, "/penstock/shop", "run/7")
    assert envelope.type == delivery.message_type == RunRequested.type
    assert envelope.tenantid == scope.tenant_id
    assert envelope.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert RunRequested.model_validate(envelope.data) == message


@pytest.mark.parametrize(
    "failure",
    [
        lambda: PublishRefused(reason="full"),
        lambda: PublishUnknown(reason="gone"),
        asyncio.CancelledError,
        lambda: RuntimeError("a bug"),
        ConnectionResetError,
    ],
    ids=["refused", "unknown", "cancelled by itself", "bug", "reset"],
)
async def test_the_relay_survives_a_bus_that_fails(
    database: Database, bus: MemoryBus, scope: TenantScope, failure: Callable[[], BaseException]
) -> None:
    bus.fault = failing(7, failure)
    async with relaying(database, bus):
        ids = await ask_for_runs(database, scope, 5)
        assert set(await receive(bus, ids)) == ids
        await emptied(database)


async def test_the_relay_survives_a_bus_that_never_answers(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    answering = asyncio.Event()

    async def wait(to: Address, message_id: str) -> None:
        await answering.wait()

    bus.fault = wait
    async with relaying(database, bus, publish_within=0.05):
        ids = await ask_for_runs(database, scope, 3)
        await tried_twice(database)
        answering.set()
        assert set(await receive(bus, ids)) == ids


async def test_an_unroutable_message_waits_until_somebody_is_bound_and_blocks_nobody(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    bus.delete(RUN_QUEUE)
    async with relaying(database, bus):
        ids = await ask_for_runs(database, scope, 2)
        await tried_twice(database)
        await bus.declare(TOPOLOGY)
        assert set(await receive(bus, ids)) == ids


async def test_a_message_that_may_find_nobody_leaves_the_outbox(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    async with relaying(database, bus):
        async with database.write() as session:
            session.outbox.add(SessionRevoked(session_id="s"), to=SESSION_REVOKED, subject="session/s")
        await emptied(database)


async def test_the_relay_survives_its_database(
    database: Database, bus: MemoryBus, scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 3
    sound = database.read

    @asynccontextmanager
    async def unreliable() -> AsyncIterator[object]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise (Unavailable(what="The database"), asyncio.CancelledError(), OSError())[left]
        async with sound() as session:
            yield session

    monkeypatch.setattr(database, "read", unreliable)
    async with relaying(database, bus):
        ids = await ask_for_runs(database, scope, 2)
        assert set(await receive(bus, ids)) == ids
    assert left < 0


async def test_two_relays_share_the_work(database: Database, bus: MemoryBus, scope: TenantScope) -> None:
    ids = await ask_for_runs(database, scope, 250)
    async with relaying(database, bus, count=3):
        seen = await receive(bus, ids)
        await emptied(database)
    assert sorted(seen) == sorted(ids)


async def test_a_row_claimed_by_a_relay_that_died_is_taken_when_the_claim_ends(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    [dead] = await ask_for_runs(database, scope, 1)
    async with database.write() as session:
        await session.execute(sa.update(OUTBOX).values(claimed_until=utc_now(600)))
    [alive] = await ask_for_runs(database, scope, 1)
    async with relaying(database, bus):
        assert await receive(bus, {alive}) == [alive]
        async with database.write() as session:
            await session.execute(sa.update(OUTBOX).values(claimed_until=utc_now(-1)))
        assert await receive(bus, {dead}) == [dead]


async def test_stopping_hands_messages_in_flight_to_the_next_relay_at_once(
    database: Database, bus: MemoryBus, scope: TenantScope
) -> None:
    in_flight = asyncio.Event()

    async def hang(to: Address, message_id: str) -> None:
        in_flight.set()
        await asyncio.Event().wait()

    bus.fault = hang
    ids = await ask_for_runs(database, scope, 2)
    async with asyncio.timeout(5), relaying(database, bus):
        await in_flight.wait()
    bus.fault = None
    async with asyncio.timeout(5), relaying(database, bus):
        assert set(await receive(bus, ids)) == ids


async def test_a_relay_that_is_cancelled_ends(database: Database, bus: MemoryBus) -> None:
    task = asyncio.create_task(new_relay(database, bus).run(asyncio.Event()))
    await asyncio.sleep(0.05)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_messages_that_carry_data_are_refused_at_once(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        with pytest.raises(MessageTooLarge):
            session.outbox.add(SessionRevoked(session_id="x" * 70_000), to=SESSION_REVOKED, subject="s")

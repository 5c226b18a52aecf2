"""The consumer loop: decode, decide, settle; and begin again whenever the broker ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pydantic import ValidationError

from shared.bus.port import MAX_BODY_BYTES, Bus, BusError, Delivery, Queue, Subscription
from shared.contracts.envelope import Envelope
from shared.errors import Terminal
from shared.observe import context, logs
from shared.process.waiting import Backoff, Trouble, ours, unless, until

_log = logs.get(__name__)
_NEWEST_MAJOR = 1


@dataclass(frozen=True, slots=True)
class Done:
    """The message is done with."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Deliver the message again after a growing pause; past its delivery limit it is a dead letter."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Give the message up: trying again would change nothing."""

    reason: str


Decision = Done | TryAgain | DeadLetter
Handle = Callable[[Envelope], Awaitable[Decision]]


class Gate(Protocol):
    """Says whether messages may be taken; a runner without a free slot closes it."""

    def is_open(self) -> bool: ...

    async def wait_open(self) -> None: ...


class _Open:
    def is_open(self) -> bool:
        return True

    async def wait_open(self) -> None:
        return


class Consumer:
    """Handles the messages of one queue, `slots` at a time; a background of its service.

    What can't be read is a dead letter at once. `handle` answers with a decision; a Terminal error it
    raises is a dead letter, any other a try again. It has `patience` seconds, and should be short: note
    in the database that the work has begun, return Done, and work elsewhere. When `gate` closes, the
    subscription ends before the message that closed it is acknowledged, so that no message waits here
    for a slot while another consumer is free.
    """

    def __init__(
        self,
        bus: Bus,
        queue: Queue,
        handle: Handle,
        *,
        slots: int = 1,
        gate: Gate | None = None,
        patience: float = 60.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._bus = bus
        self._queue = queue
        self._handle = handle
        self._slots = slots
        self._gate = gate or _Open()
        self._patience = patience
        self._backoff = backoff or Backoff(first=0.2, longest=5.0)
        self._pause = Backoff(first=0.1, longest=10.0)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; what is being handled then is finished and settled."""
        failures, trouble = 0, Trouble()
        while await until(self._gate.wait_open(), stop):
            try:
                async with AsyncExitStack() as stack:
                    subscribing = self._bus.subscribe(self._queue, prefetch=self._slots)
                    # A broker that doesn't answer must not keep those waiting who want to stop.
                    subscription = await unless(stop, partial(stack.enter_async_context, subscribing))
                    if subscription is None:
                        return
                    failures = 0
                    trouble.over()
                    await self._consume(subscription, stop)
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                failures += 1
                reason = str(error) or type(error).__name__
                if trouble.is_news(reason):
                    _log.warning("consumer_lost", queue=self._queue.name, reason=reason, failures=failures)
                await until(asyncio.sleep(self._backoff.seconds(failures)), stop)

    async def _consume(self, subscription: Subscription, stop: asyncio.Event) -> None:
        lost: BaseException | None = None
        room = asyncio.Semaphore(self._slots)
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(_stop_with(subscription, stop))
            try:
                async for delivery in subscription:
                    await room.acquire()
                    task = tasks.create_task(self._process(delivery, subscription, stop))
                    task.add_done_callback(lambda _: room.release())
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                # Not raised here: that would cancel the handlers, which can finish without the broker.
                lost = error
            finally:
                stopping.cancel()
        if lost is not None:
            raise lost

    async def _process(self, delivery: Delivery, subscription: Subscription, stop: asyncio.Event) -> None:
        envelope = _decoded(delivery.body)
        decision = envelope if isinstance(envelope, DeadLetter) else await self._decide(envelope)
        _log_outcome(self._queue, delivery, decision)
        if isinstance(decision, TryAgain):
            await until(asyncio.sleep(self._pause.seconds(delivery.delivery_count + 1)), stop)
        if not self._gate.is_open():
            await subscription.stop()
        try:
            await _settle(delivery, decision)
        except BusError as error:
            _log.info("message_unsettled", queue=self._queue.name, reason=str(error))

    async def _decide(self, envelope: Envelope) -> Decision:
        context.TRACEPARENT.set(envelope.traceparent)
        try:
            async with asyncio.timeout(self._patience):
                return await self._handle(envelope)
        except Terminal as error:
            return DeadLetter(f"{error.code()}: {error}")
        except TimeoutError:
            return TryAgain(f"not handled within {self._patience} s")
        except asyncio.CancelledError as error:
            if ours(error):
                raise
            return TryAgain("cancelled from within")
        except Exception as error:  # noqa: BLE001 - no bug of a handler ends the loop
            _log.exception("message_failed", queue=self._queue.name, message_type=envelope.type)
            return TryAgain(type(error).__name__)


def _decoded(body: bytes) -> Envelope | DeadLetter:
    if len(body) > MAX_BODY_BYTES:
        return DeadLetter("too large")
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError as error:
        places = sorted({".".join(map(str, fault["loc"])) or "body" for fault in error.errors()})
        return DeadLetter(f"unreadable: {', '.join(places)[:200]}")
    if envelope.schemamajor > _NEWEST_MAJOR:
        return DeadLetter(f"schema {envelope.schemamajor} is newer than this version of Penstock")
    return envelope


async def _settle(delivery: Delivery, decision: Decision) -> None:
    match decision:
        case Done():
            await delivery.ack()
        case TryAgain():
            await delivery.reject(requeue=True)
        case DeadLetter():
            await delivery.reject(requeue=False)


async def _stop_with(subscription: Subscription, stop: asyncio.Event) -> None:
    await stop.wait()
    await subscription.stop()


def _log_outcome(queue: Queue, delivery: Delivery, decision: Decision) -> None:
    log = _log.bind(queue=queue.name, message_id=delivery.message_id, message_type=delivery.message_type)
    match decision:
        case Done():
            log.debug("message_done")
        case TryAgain(reason):
            log.warning("message_returned", reason=reason, delivery_count=delivery.delivery_count)
        case DeadLetter(reason):
            log.error("message_dead", reason=reason)

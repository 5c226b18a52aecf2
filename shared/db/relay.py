"""The relay: takes committed messages out of the outbox to the bus, at least once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
from sqlalchemy import Table, and_, case, delete, null, or_, select, update
from sqlalchemy.orm import DeclarativeBase

from shared.bus.port import Address, Bus, BusError
from shared.db.outbox import envelope_of
from shared.db.session import Database
from shared.db.types import utc_now
from shared.errors import Transient
from shared.observe import logs
from shared.process.waiting import Backoff, Trouble, ours, until

_BATCH = 100
_CLAIM_SECONDS = 20.0
_PUBLISH_SECONDS = 10.0
_POLL_SECONDS = 1.0
_RETRY_SECONDS = (0.5, 2.0, 10.0, 30.0)
"""Pauses of a message after its first, second, third and every later failure."""

_log = logs.get(__name__)


@dataclass(slots=True)
class _Round:
    """What became of a batch: rows that are safe with the bus, and why others aren't."""

    confirmed: list[int] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)


class Relay:
    """Publishes the outbox of one service; a background.

    Rows are claimed for a while, published together, and deleted once confirmed; what failed is due again
    after a pause. Whatever happens between publishing and deleting makes a duplicate, never a loss. Two
    relays on one database share the work. It wakes with each commit that has messages, and every second.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        outbox_model: type[DeclarativeBase],
        *,
        poll: float = _POLL_SECONDS,
        publish_within: float = _PUBLISH_SECONDS,
        registry: prometheus_client.CollectorRegistry | None = None,
    ) -> None:
        assert isinstance(outbox_model.__table__, Table)
        self._database = database
        self._bus = bus
        self._rows = outbox_model.__table__
        self._source: str = getattr(outbox_model, "source", "/penstock")
        self._poll = poll
        self._publish_within = publish_within
        self._backoff = Backoff(first=0.2, longest=15.0)
        self._hint = asyncio.Event()
        self._counted = prometheus_client.Counter(
            "penstock_outbox_messages", "Messages by what became of them.", ["result"], registry=registry
        )
        database.on_commit_with_messages(self.wake)

    def wake(self) -> None:
        """There is something to publish."""
        self._hint.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set; a message in flight then is left to the next relay."""
        failures, trouble = 0, Trouble()
        while not stop.is_set():
            self._hint.clear()
            pause = self._poll
            try:
                while await self._publish_batch(stop) == _BATCH:
                    pass
                failures = 0
                trouble.over()
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                failures += 1
                pause = self._backoff.seconds(failures)
                known = isinstance(error, Transient)
                reason = str(error) if known else type(error).__name__
                if trouble.is_news(reason):
                    stack = None if known else error
                    _log.warning("relay_failed", reason=reason, failures=failures, exc_info=stack)
            await self._rest(pause, stop, heed_hint=failures == 0)

    async def _rest(self, pause: float, stop: asyncio.Event, *, heed_hint: bool) -> None:
        hint = self._hint.wait() if heed_hint else asyncio.sleep(pause)
        try:
            async with asyncio.timeout(pause):
                await until(hint, stop)
        except TimeoutError:
            return

    async def _publish_batch(self, stop: asyncio.Event) -> int:
        if not await self._has_work():
            return 0
        rows = await self._claim()
        outcome = _Round()
        await until(self._publish_all(rows, outcome), stop)
        await self._settle(rows, outcome)
        self._report(rows, outcome)
        return 0 if stop.is_set() or outcome.problems else len(rows)

    async def _has_work(self) -> bool:
        # A reader's question first: on SQLite an idle relay must not take the writers' lock every second.
        async with self._database.read() as session:
            return await session.scalar(select(1).where(self._due()).limit(1)) is not None

    async def _claim(self) -> Sequence[Any]:
        row = self._rows.c
        # A common table expression, since PostgreSQL may run a subquery in IN more than once.
        picked = (
            select(row.position)
            .where(self._due())
            .order_by(row.position)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        claim = (
            update(self._rows)
            .where(row.position.in_(select(picked.c.position)))
            .values(claimed_until=utc_now(_CLAIM_SECONDS), tries=row.tries + 1)
            .returning(*row)
        )
        async with self._database.write() as session:
            claimed = (await session.execute(claim)).all()
        return sorted(claimed, key=lambda found: found.position)

    async def _publish_all(self, rows: Iterable[Any], outcome: _Round) -> None:
        await asyncio.gather(*(self._publish(row, outcome) for row in rows))

    async def _publish(self, row: Any, outcome: _Round) -> None:
        to = Address(row.exchange, row.routing_key, mandatory=row.mandatory)
        try:
            body = envelope_of(row, self._source).model_dump_json().encode()
            # The bus keeps its own time; the outer bound is for a bus that doesn't.
            async with asyncio.timeout(self._publish_within + 1.0):
                await self._bus.publish(
                    body, to=to, message_id=str(row.id), message_type=row.type, within=self._publish_within
                )
        except BusError as error:
            outcome.problems[error.code()] += 1
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            outcome.problems[type(error).__name__] += 1
        else:
            outcome.confirmed.append(row.position)

    async def _settle(self, rows: Sequence[Any], outcome: _Round) -> None:
        row = self._rows.c
        safe = set(outcome.confirmed)
        kept = [found.position for found in rows if found.position not in safe]
        async with self._database.write() as session:
            if outcome.confirmed:
                await session.execute(delete(self._rows).where(row.position.in_(outcome.confirmed)))
            if kept:
                pauses = {tries: utc_now(pause) for tries, pause in enumerate(_RETRY_SECONDS, 1)}
                later = case(pauses, value=row.tries, else_=utc_now(_RETRY_SECONDS[-1]))
                again = update(self._rows).where(row.position.in_(kept))
                await session.execute(again.values(claimed_until=null(), available_at=later))

    def _report(self, rows: Sequence[Any], outcome: _Round) -> None:
        if outcome.confirmed:
            self._counted.labels("confirmed").inc(len(outcome.confirmed))
        for problem, count in outcome.problems.items():
            self._counted.labels(problem).inc(count)
        if outcome.problems:
            _log.warning("messages_unpublished", of=len(rows), **outcome.problems)

    def _due(self) -> Any:
        row = self._rows.c
        unclaimed = or_(row.claimed_until.is_(None), row.claimed_until <= utc_now())
        return and_(row.available_at <= utc_now(), unclaimed)

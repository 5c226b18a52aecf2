"""The outbox: messages are rows of the transaction that caused them, published afterwards by a relay.

The row's `id` is the message's id, so a message that is sent twice can be recognised.
"""

import json
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from shared import clock
from shared.bus.port import MAX_BODY_BYTES, Address, MessageTooLarge
from shared.contracts.envelope import Envelope
from shared.contracts.messages import Message
from shared.db.base import new_metadata
from shared.db.types import UtcDateTime, Uuid, utc_now
from shared.identifiers import uuid7
from shared.observe import context

TABLE_NAME = "outbox"
_ENVELOPE_BYTES = 1024

OUTBOX = Table(
    TABLE_NAME,
    new_metadata(),
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("exchange", String(120), nullable=False),
    Column("routing_key", String(255), nullable=False),
    Column("mandatory", Boolean, nullable=False),
    Column("type", String(120), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("tenant_id", Uuid, nullable=True),
    Column("traceparent", String(64), nullable=True),
    Column("data", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("available_at", UtcDateTime, nullable=False, index=True),
    Column("claimed_until", UtcDateTime, nullable=True),
    Column("tries", Integer, nullable=False),
)
"""`position` orders, `id` identifies; a row is due when `available_at` and `claimed_until` have passed."""

B = TypeVar("B", bound=DeclarativeBase)


def outbox_table(base: type[B], *, source: str = "/penstock") -> type[B]:
    """The outbox as a mapped class of a service's base; `source` goes into the envelopes."""
    members = {
        "__table__": OUTBOX.to_metadata(base.metadata),
        "__module__": base.__module__,
        "source": source,
    }
    return cast("type[B]", type("OutboxMessage", (base,), members))


class Outbox:
    """Takes messages into a unit of work; `Database.write()` stores them with its commit."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, message: Message, *, to: Address, subject: str, tenant_id: UUID | None = None) -> UUID:
        """Send a message if, and once, this unit of work is committed. Returns the message's id.

        Raises `MessageTooLarge`: messages carry ids, never data.
        """
        row = _address(to) | _about(message, subject, tenant_id)
        if len(row["data"]) + _ENVELOPE_BYTES > MAX_BODY_BYTES:
            raise MessageTooLarge(limit=MAX_BODY_BYTES)
        self._rows.append(row)
        return cast("UUID", row["id"])

    async def store(self, session: AsyncSession) -> None:
        """Insert the rows; they are due at once by the database's clock."""
        if self._rows:
            await session.execute(insert(OUTBOX).values(available_at=utc_now()), self._rows)


def envelope_of(row: Any, source: str) -> Envelope:
    """The envelope of an outbox row."""
    return Envelope(
        id=row.id,
        source=source,
        type=row.type,
        subject=row.subject,
        time=row.created_at,
        tenantid=row.tenant_id,
        traceparent=row.traceparent,
        data=json.loads(row.data),
    )


def _address(to: Address) -> dict[str, Any]:
    return {"exchange": to.exchange, "routing_key": to.key, "mandatory": to.mandatory}


def _about(message: Message, subject: str, tenant_id: UUID | None) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "type": message.type,
        "subject": subject,
        "tenant_id": tenant_id,
        "traceparent": context.TRACEPARENT.get(),
        "data": message.model_dump_json(),
        "created_at": clock.now(),
        "tries": 0,
    }

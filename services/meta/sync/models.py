from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.meta.models import Base
from shared.db.base import Identified, Tenanted
from shared.identifiers import DatasourceId


class SyncLog(Identified, Tenanted, Base):
    """One sync or scan: what was asked, how it went, and who works on it right now.

    `active_key` is the datasource while the log is queued or running, NULL afterwards: it is unique, so
    a datasource has one scan at a time. `attempt` fences: what an earlier attempt writes is refused.
    Times that decide something are the database's own.
    """

    __tablename__ = "sync_log"
    __table_args__ = (
        UniqueConstraint("active_key"),
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index(None, "datasource_id"),
        Index(None, "status", "lease_until"),
    )

    datasource_id: Mapped[DatasourceId] = mapped_column(ForeignKey("datasource.id"))
    sync_type: Mapped[str] = mapped_column(String(8))
    sync_level: Mapped[str] = mapped_column(String(8))
    target: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(12))
    active_key: Mapped[str | None] = mapped_column(String(36))
    requested_by: Mapped[UUID | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_hash: Mapped[str] = mapped_column(String(64))

    attempt: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    announced_at: Mapped[datetime]
    cancel_requested_at: Mapped[datetime | None]
    event_seq: Mapped[int] = mapped_column(default=0)

    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    databases_scanned: Mapped[int] = mapped_column(default=0)
    tables_scanned: Mapped[int] = mapped_column(default=0)
    fields_scanned: Mapped[int] = mapped_column(default=0)
    tables_changed: Mapped[int] = mapped_column(default=0)
    tables_removed: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(80))
    failure_count: Mapped[int] = mapped_column(default=0)
    failures: Mapped[list[Any]] = mapped_column(default=list)


class SyncEvent(Base):
    """One entry of a sync log's history. `seq` counts from 1 without gaps and is the id of the SSE event."""

    __tablename__ = "sync_event"

    sync_log_id: Mapped[UUID] = mapped_column(ForeignKey("sync_log.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]]

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified


class AuditEntry(Identified, Base):
    """Who did what to which object. Rows are only ever inserted."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "tenant_id", "id"),)

    tenant_id: Mapped[UUID | None]
    at: Mapped[datetime]
    action: Mapped[str] = mapped_column(String(60))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID | None]
    object_type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))

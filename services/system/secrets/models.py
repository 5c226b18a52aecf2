from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared import clock
from shared.db.base import Identified


class TenantKey(Identified, Base):
    """A tenant's data key, wrapped by the master key `master_key_id`; the newest one seals."""

    __tablename__ = "tenant_key"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    master_key_id: Mapped[str] = mapped_column(String(32))
    wrapped: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class KeyCheck(Base):
    """What recognises a master key that this database has been used with."""

    __tablename__ = "key_check"

    master_key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

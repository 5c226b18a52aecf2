from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified, Tenanted, Timestamps, Versioned


class Resource(Identified, Tenanted, Timestamps, Versioned, Base):
    """A registered resource. `secrets` holds sealed texts by field; a deleted row keeps none.

    `change_number` orders all changes of all resources in the order of their commits.
    """

    __tablename__ = "resource"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        Index(
            "uq_resource_tenant_id_name",
            "tenant_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
            sqlite_where=text("deleted_at IS NULL"),
        ),
    )

    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(40))
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[dict[str, Any]]
    secrets_updated_at: Mapped[datetime | None]
    change_number: Mapped[int] = mapped_column(BigInteger, unique=True)
    deleted_at: Mapped[datetime | None]


class ChangeCounter(Base):
    """The last change number. Its row's lock makes writers of resources commit in the order of numbers."""

    __tablename__ = "change_counter"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)

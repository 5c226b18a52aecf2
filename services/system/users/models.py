from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified, Timestamps, Versioned


class User(Identified, Timestamps, Versioned, Base):
    """A person who logs in. The platform administrator belongs to no tenant."""

    __tablename__ = "user_account"
    __table_args__ = (
        Index("uq_user_account_tenant_id_username", "tenant_id", "username", unique=True),
        # NULLs are distinct in a unique index: the users without a tenant need one of their own.
        Index(
            "uq_user_account_platform_username",
            "username",
            unique=True,
            postgresql_where=text("tenant_id IS NULL"),
            sqlite_where=text("tenant_id IS NULL"),
        ),
    )

    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenant.id"))
    username: Mapped[str] = mapped_column(String(100))
    display_name: Mapped[str] = mapped_column(String(120), default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]]
    enabled: Mapped[bool] = mapped_column(default=True)
    token_version: Mapped[int] = mapped_column(default=1)

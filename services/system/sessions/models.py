from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified


class LoginSession(Identified, Base):
    """One login and the family of its refresh tokens. Its id is the `sid` of its access tokens."""

    __tablename__ = "login_session"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    end_reason: Mapped[str | None] = mapped_column(String(40))


class RefreshToken(Identified, Base):
    """A refresh token, by its fingerprint. `salt` makes the successor from the token itself."""

    __tablename__ = "refresh_token"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("login_session.id", ondelete="CASCADE"), index=True)
    predecessor_id: Mapped[UUID | None] = mapped_column(unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class LoginCounter(Base):
    """Failed logins under one key of the throttle."""

    __tablename__ = "login_counter"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_failure: Mapped[datetime | None]
    last_success: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(index=True)

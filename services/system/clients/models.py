from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified, Timestamps


class Client(Identified, Timestamps, Base):
    """A service that gets tokens of its own; of its secret only the fingerprint is kept."""

    __tablename__ = "client"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    secret_fingerprint: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    enabled: Mapped[bool] = mapped_column(default=True)

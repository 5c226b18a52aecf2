from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.system.models import Base
from shared.db.base import Identified, Timestamps, Versioned


class Tenant(Identified, Timestamps, Versioned, Base):
    """The isolation boundary. The slug names it at login and its folder of SQLite files."""

    __tablename__ = "tenant"

    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(120))

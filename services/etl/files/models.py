from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.etl.models import Base
from shared.db.base import Identified, Tenanted, Timestamps


class UploadedFile(Identified, Tenanted, Timestamps, Base):
    """A file of a tenant. Its bytes are in the store under its id; `received` of `size` are there."""

    __tablename__ = "uploaded_file"

    name: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str | None] = mapped_column(String(64))

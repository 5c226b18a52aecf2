from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.etl.models import Base
from shared.db.base import Identified, Tenanted, Timestamps, Versioned
from shared.identifiers import DataTableId, FileId


class Task(Identified, Tenanted, Timestamps, Versioned, Base):
    """A saved pipeline. A deleted task stays for its runs; it gives up its name (`name_key` is NULL).

    A task that writes a file has no `table_id`.
    """

    __tablename__ = "task"
    __table_args__ = (UniqueConstraint("tenant_id", "name_key"),)

    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str | None] = mapped_column(String(700))
    description: Mapped[str] = mapped_column(Text)
    pipeline: Mapped[dict[str, Any]]
    revision: Mapped[int]
    table_id: Mapped[DataTableId | None] = mapped_column(index=True)
    file_id: Mapped[FileId | None] = mapped_column(index=True)
    deleted_at: Mapped[datetime | None]


class TaskRevision(Base):
    """A pipeline as a task had it; runs name the revision that they carry out."""

    __tablename__ = "task_revision"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    pipeline: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID]

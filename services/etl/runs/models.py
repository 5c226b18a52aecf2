from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.etl.models import Base
from shared.db.base import Identified, Tenanted
from shared.identifiers import DataTableId, ResourceId, RunId, TaskId

from .states import State


class Run(Identified, Tenanted, Base):
    """One execution of a task.

    `exclusive_key` names what only one run at a time may write to: the data table, the file, or the
    resource where the target has one writer. The run that holds it carries it in `active_key`, too; a queued
    run without an `active_key` waits behind that one. `in_doubt`: an attempt was cut off, and the target has
    not been asked since whether its rows were committed. All times that decide something are the database's
    own. `rejects` says which attempt's file of rejected rows counts: see `rejected.store.Kept`. `file` is the
    one that it has written, where its target is one: then it has no table.
    """

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("active_key"),
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index(None, "state", "available_at"),
        Index(None, "exclusive_key", "state"),
    )

    task_id: Mapped[TaskId] = mapped_column(index=True)
    task_revision: Mapped[int]
    task_name: Mapped[str] = mapped_column(String(200))
    table_id: Mapped[DataTableId | None] = mapped_column(index=True)
    table_key: Mapped[str] = mapped_column(String(300))
    resource_id: Mapped[ResourceId | None]
    exclusive_key: Mapped[str] = mapped_column(String(300))
    active_key: Mapped[str | None] = mapped_column(String(300))

    requested_by: Mapped[UUID]
    replay_of: Mapped[RunId | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_hash: Mapped[str] = mapped_column(String(64))

    state: Mapped[str] = mapped_column(String(16))
    state_seq: Mapped[int] = mapped_column(default=0)
    event_seq: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    charged: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    timeout_seconds: Mapped[int]

    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_owner: Mapped[UUID | None]
    lease_until: Mapped[datetime | None] = mapped_column(index=True)
    available_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]

    progress: Mapped[dict[str, Any] | None]
    counts: Mapped[dict[str, Any] | None]
    reject_counts: Mapped[list[Any] | None]
    adopted: Mapped[bool] = mapped_column(default=False)
    in_doubt: Mapped[bool] = mapped_column(default=False)
    problem: Mapped[dict[str, Any] | None]
    warnings: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    rejects: Mapped[dict[str, Any] | None]
    file: Mapped[dict[str, Any] | None]

    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def waiting_behind(self) -> bool:
        """Whether it is queued until the run that holds its `exclusive_key` is over."""
        return self.state == State.QUEUED and self.active_key is None


class RunAttempt(Base):
    """One try of a run, written when it begins and completed when it ends."""

    __tablename__ = "run_attempt"

    run_id: Mapped[RunId] = mapped_column(ForeignKey("run.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, unique=True)
    worker_id: Mapped[UUID]
    backend: Mapped[int | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    problem: Mapped[dict[str, Any] | None]


class RunEvent(Base):
    """One entry of a run's history. `seq` counts from 1 without gaps and is the id of the SSE event."""

    __tablename__ = "run_event"

    run_id: Mapped[RunId] = mapped_column(ForeignKey("run.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class RunWorker(Identified, Base):
    """One start of one runner. `place` and `process` tell whether it is alive to those on its machine."""

    __tablename__ = "run_worker"

    host: Mapped[str] = mapped_column(String(255))
    place: Mapped[str | None] = mapped_column(String(255), index=True)
    process: Mapped[str] = mapped_column(String(120))
    version: Mapped[str] = mapped_column(String(40))
    slots: Mapped[int]
    draining: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class FenceCounter(Base):
    """The one counter that all fences come from. It never goes back."""

    __tablename__ = "fence_counter"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.pipeline.job import Counts, WrittenFile
from shared.http.paging import PageQuery
from shared.identifiers import DataTableId, FileId, ResourceId, RunId, TaskId

from .states import State


class RunWarning(BaseModel):
    """What whoever starts a run, or saves its task, should know."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Runnable:
    """What a run must know of its task when it is started.

    `table_key` names the table, or the file, for fences and ledgers. `single_writer`: the target takes one
    writer at a time, so that runs exclude each other for the whole resource.
    """

    task_id: TaskId
    revision: int
    name: str
    table_id: DataTableId | None
    table_key: str
    resource_id: ResourceId | None
    single_writer: bool
    timeout_seconds: int
    warnings: tuple[RunWarning, ...] = ()

    @property
    def exclusive_key(self) -> str:
        """What only one run at a time may write to."""
        if self.single_writer:
            return f"resource:{self.resource_id}"
        return f"table:{self.table_id}" if self.table_id else self.table_key


class RunParameters(BaseModel):
    """How one run differs from what its task says."""

    restart: bool = Field(default=False, description="An incremental source is read from its beginning.")
    file_id: FileId | None = Field(default=None, description="The file that is read instead of the task's.")
    rejects_of: RunId | None = Field(
        default=None, description="Only the records are read that this run has rejected."
    )


NO_PARAMETERS: Final = RunParameters()


class RetryRun(BaseModel):
    """How a run is started whose work is known already."""

    model_config = ConfigDict(extra="forbid")

    queue_behind: bool = Field(
        default=False,
        description="Wait for a run that is still at work on the same target, instead of a 409.",
    )


class StartRun(RetryRun):
    """How a run is started."""

    restart: bool = Field(
        default=False,
        description="Read an incremental source from its beginning, as if there had been no run yet.",
    )
    file_id: FileId | None = Field(
        default=None, description="Another uploaded file for this run, instead of the one of the task."
    )

    def parameters(self) -> RunParameters:
        """What the run is to know of this."""
        return RunParameters(restart=self.restart, file_id=self.file_id)


class RunProblem(BaseModel):
    """Why the run, or its last attempt, did not succeed."""

    code: str
    message: str
    kind: Literal["transient", "throttled", "lost", "permanent"]
    loc: list[str | int] = Field(default_factory=list)
    step: str | None = None


class RunProgress(BaseModel):
    """How far the attempt is; about as old as `at`."""

    phase: str | None = None
    read: int = 0
    written: int = 0
    rejected: int = 0
    bytes_read: int = 0
    bytes_total: int = Field(default=0, description="0 where the source has no size.")
    rows_total: int | None = Field(default=None, description="About how many rows come, where that is known.")
    rows_per_second: float | None = None
    eta_seconds: float | None = Field(default=None, description="Time left, judged by what was read.")
    at: datetime


class RejectCount(BaseModel):
    """How many rows a step rejected for one reason."""

    step: str
    column: str | None = None
    code: str
    rows: int


class KeptRejects(BaseModel):
    """The rejected rows that can be listed, downloaded and replayed."""

    attempt: int
    rows: int
    complete: bool = Field(description="Whether these are all that were rejected.")


class RunView(BaseModel):
    """A run."""

    model_config = ConfigDict(from_attributes=True)

    id: RunId
    task_id: TaskId
    task_name: str
    task_revision: int
    table_id: DataTableId | None = Field(default=None, description="None for a run that writes a file.")
    resource_id: ResourceId | None = Field(
        default=None, description="The resource of the table, or of the bucket."
    )
    file: WrittenFile | None = Field(default=None, description="The file that it has written.")
    state: State
    waiting_behind: bool = Field(description="Queued until another run on the same target is over.")
    attempt: int
    max_attempts: int
    replay_of: RunId | None = None
    parameters: RunParameters = Field(default_factory=RunParameters)
    requested_by: UUID
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    available_at: datetime = Field(description="When a run that waits for its next attempt is due.")
    deadline_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    progress: RunProgress | None = None
    counts: Counts | None = None
    reject_counts: list[RejectCount] | None = Field(
        default=None, description="All rejected rows by step, column and reason, kept or not."
    )
    rejects: KeptRejects | None = Field(default=None, description="Which of the rejected rows are kept.")
    adopted: bool = Field(description="The rows had been committed by an attempt that was lost afterwards.")
    problem: RunProblem | None = None
    warnings: list[RunWarning] = Field(
        default_factory=list, description="What was to be said of the target when the run was started."
    )


class AttemptView(BaseModel):
    """One try of a run."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    worker_id: UUID
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Literal["succeeded", "failed", "lost", "cancelled", "timed_out", "released"] | None = None
    problem: RunProblem | None = None


class RunDetails(RunView):
    """A run with its attempts."""

    attempts: list[AttemptView]


class EventView(BaseModel):
    """One entry of a run's history. `type` is the state entered, or `phase` or `progress`."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    type: str
    at: datetime
    data: dict[str, Any]


class RunQuery(PageQuery):
    """Which runs to list; the newest come first."""

    task_id: TaskId | None = None
    table_id: DataTableId | None = None
    state: State | None = None


class EventQuery(PageQuery):
    """Which events to list, in their order."""

    after: int = Field(default=0, ge=0, le=2**31 - 1, description="Only events with a higher number.")

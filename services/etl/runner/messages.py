"""What the child process tells the runner, and what becomes of a job."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.etl.pipeline.job import Counts, WrittenFile
from shared.errors import Fault, Loc

MAX_VALUE: int = 200
"""Characters of a rejected value that are kept."""

MAX_RAW: int = 10_000
"""Characters of a rejected record that are kept."""


KEPT_REJECTS: int = 100_000
KEPT_BYTES: int = 64 << 20
"""Rejected rows of an attempt that are kept, by their number and their characters: the first ones."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reject(_Message):
    """A row that was not loaded, and why."""

    record: int = Field(
        description="Number of the record in the source; the first one after the header is 1."
    )
    line: int | None = Field(default=None, description="Physical line of the file where the record starts.")
    column: str | None = None
    value: str | None = Field(default=None, description=f"The value, cut at {MAX_VALUE} characters.")
    expected: str | None = Field(default=None, description="The type or form that was expected.")
    code: str
    reason: str
    step: str = Field(description="The step that rejected the row.")
    file: str | None = Field(default=None, description="The file of the record, where there are several.")
    raw: str | None = Field(default=None, description=f"The record as it came, cut at {MAX_RAW} characters.")


class UnkeptRejects(_Message):
    """How many more rows a step has rejected for one reason, without keeping them."""

    step: str
    column: str | None = None
    code: str
    rows: int


class Phase(_Message):
    """The job has come to another part of its work."""

    type: Literal["phase"] = "phase"
    name: Literal["preparing", "loading", "merging", "committing"]


class Backend(_Message):
    """The target's own number for the session that writes: a successor may end it."""

    type: Literal["backend"] = "backend"
    pid: int


class Progress(_Message):
    """How far the job is. Sent at most a few times a second."""

    type: Literal["progress"] = "progress"
    read: int
    written: int
    rejected: int
    bytes_read: int
    bytes_total: int = Field(description="0 where the source has no size.")
    rows_total: int | None = Field(default=None, description="About how many rows come, where that is known.")


class Rejects(_Message):
    """Rows that were rejected since the last message. Bounded for a run: counts go on, rows do not."""

    type: Literal["rejects"] = "rejects"
    rejects: list[Reject] = Field(default_factory=list)
    unkept: list[UnkeptRejects] = Field(default_factory=list)


ChildMessage = Phase | Backend | Progress | Rejects


class Succeeded(_Message):
    """The rows and the ledger entry are committed. `adopted`: by an earlier attempt of this run.

    A `file` in the tenant's store is whole and on the disk, and becomes the tenant's once the run is noted
    as succeeded.
    """

    type: Literal["succeeded"] = "succeeded"
    counts: Counts
    adopted: bool = False
    file: WrittenFile | None = None


class Failed(_Message):
    """The job ended with an error and nothing was written. `transient`: trying again can help."""

    type: Literal["failed"] = "failed"
    code: str
    message: str
    loc: Loc = ()
    faults: tuple[Fault, ...] = Field(default=(), description="Every place that is wrong, where places are.")
    transient: bool = False
    step: str | None = None
    counts: Counts | None = Field(default=None, description="How far it came, where that is known.")


class Lost(_Message):
    """The child process ended without an answer: whether it committed is for the ledger to say."""

    type: Literal["lost"] = "lost"
    reason: str
    peak_memory_mb: int | None = None


Outcome = Succeeded | Failed | Lost

AnyMessage = Annotated[Phase | Backend | Progress | Rejects | Succeeded | Failed, Field(discriminator="type")]
MESSAGES: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)

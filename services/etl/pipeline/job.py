"""A job: everything that the data path of one attempt needs, complete and checked.

It goes to the child process by its pipe and nowhere else, because it holds connection info.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import to_jsonable_python

from services.etl.columns import Column, Columns
from services.etl.pipeline.definition import (
    FileForm,
    History,
    Limits,
    Overwrite,
    StepConfig,
    StepName,
    TargetTable,
    Winner,
    WriteMode,
)
from shared.contracts.connection import ResourceConnection

MAX_OBJECT_BYTES: Final = 5 << 40
"""Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class JobFile(_Part):
    """A file of the source as it lies on this machine."""

    name: str = Field(default="", description="What people call it.")
    path: str = Field(description="Path of the file, readable by the runner.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str | None = None


class JobSource(_Part):
    """A loader with its parameters, and what it reads from: files, or the resource of this connection."""

    loader: StepName
    params: dict[str, Any]
    files: list[JobFile] = Field(default_factory=list)
    connection: ResourceConnection | None = None
    sqlite_path: str | None = Field(default=None, description="Path of the file of an SQLite resource.")
    records: list[int] | None = Field(
        default=None, description="Only these records, as numbered over the whole run; all of them without."
    )


class JobTarget(_Part):
    """The table to fill, and how."""

    kind: Literal["table"] = "table"
    connection: ResourceConnection
    sqlite_path: str | None = Field(default=None, description="Path of the file of an SQLite resource.")
    schema_name: str | None = None
    table_name: str
    columns: list[Column]
    defaults: list[str] = Field(default_factory=list, description="Columns that the table fills by itself.")
    key: list[str] = Field(default_factory=list, description="Columns of the key, for upsert.")
    mode: WriteMode = "append"
    winner: Winner = "last"
    history: History | None = Field(default=None, description="Where scd2 keeps the time of a version.")

    @property
    def engine(self) -> str:
        """The target that writes it."""
        return self.connection.connection.type

    @property
    def tenant_id(self) -> UUID:
        """Whose table it is."""
        return self.connection.tenant_id

    def table(self) -> TargetTable:
        """The table as validation sees it."""
        return TargetTable(Columns(self.columns), tuple(self.key), frozenset(self.defaults))


class JobFileTarget(_Part):
    """The file to write, and how: in the tenant's own store, or with a connection in a bucket.

    In the store the bytes lie under an id that each attempt has anew: until the run has succeeded nobody
    knows it.
    """

    kind: Literal["file"] = "file"
    tenant_id: UUID
    name: str = Field(description="The file's name, or in a bucket its key.")
    form: FileForm
    overwrite: Overwrite = "replace"
    file_id: UUID | None = Field(default=None, description="Its id in the store.")
    path: str | None = Field(default=None, description="Where its bytes go in the store.")
    connection: ResourceConnection | None = None
    max_bytes: int = Field(default=MAX_OBJECT_BYTES, ge=0, description="Bytes that it may have.")
    cursor: str | None = Field(default=None, description="How far the task's last run has read its source.")

    @property
    def engine(self) -> str:
        """The target that writes it."""
        return "store" if self.connection is None else self.connection.connection.type


class JobSpec(_Part):
    """A job before there is a run: what a task's revision comes to. `steps` are the handlers alone."""

    source: JobSource
    steps: list[StepConfig]
    lookups: dict[str, JobSource] = Field(
        default_factory=dict, description="Further sources of steps, by the step's position and their name."
    )
    target: Annotated[JobTarget | JobFileTarget, Field(discriminator="kind")]
    limits: Limits = Field(default_factory=Limits)
    memory_limit_mb: int = Field(default=1024, ge=128)
    stream: str | None = Field(default=None, description="Whose cursor is kept: the task's id.")
    restart: bool = Field(default=False, description="Whether the cursor of earlier runs is forgotten.")

    @property
    def table(self) -> JobTarget:
        """The table that the job fills. Only for jobs that fill one."""
        assert isinstance(self.target, JobTarget)
        return self.target

    def for_attempt(self, *, run_id: UUID, attempt: int, fence: int, table_key: str) -> "Job":
        """The job of one attempt of a run."""
        parts = {name: getattr(self, name) for name in JobSpec.model_fields}
        return Job(**parts, run_id=run_id, attempt=attempt, fence=fence, table_key=table_key)


class Job(JobSpec):
    """One attempt of one run. `fence` compares across all runs of `table_key`: the highest may commit."""

    run_id: UUID
    attempt: int = Field(ge=1)
    fence: int = Field(ge=0)
    table_key: str = Field(min_length=1, max_length=300)

    def to_wire(self) -> dict[str, Any]:
        """As JSON data with the secrets in it. For the pipe to the child, never for a log or a store."""
        return revealed(self)


def revealed(model: BaseModel) -> dict[str, Any]:
    """A model as JSON data with the secrets in it. For the pipe to a child, never for a log or a store."""
    wire: dict[str, Any] = to_jsonable_python(_shown(model.model_dump()))
    return wire


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _shown(part) for name, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list | tuple) else value


class WrittenFile(BaseModel):
    """The file that a run has written."""

    name: str = Field(description="Its name, or in a bucket its key.")
    size: int = Field(description="Bytes.")
    sha256: str
    file_id: UUID | None = Field(default=None, description="Its id among the files; none in a bucket.")


class StepCounts(BaseModel):
    """Rows at one step: `rows_in` + `added` = `rows_out` + `rejected` + `filtered` + `deduplicated` +
    `merged`.
    """

    step: str
    position: int = Field(description="-1 the loader, 0.. the handlers, then the destination.")
    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    filtered: int = 0
    deduplicated: int = 0
    merged: int = Field(default=0, description="Rows that went up in others, as those of a group do.")
    added: int = Field(default=0, description="Rows that the step made beyond those that it got.")

    def add_up(self) -> bool:
        """Whether no row is unaccounted for."""
        gone = self.rejected + self.filtered + self.deduplicated + self.merged
        return self.rows_in + self.added == self.rows_out + gone


class Counts(BaseModel):
    """What became of the rows: `read` + `added` = `written` + `filtered` + `deduplicated` + `rejected` +
    `merged`, and `written` = `inserted` + `updated` + `unchanged`.
    """

    read: int = 0
    written: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    deduplicated: int = 0
    rejected: int = 0
    merged: int = Field(default=0, description="Rows that went up in others.")
    added: int = Field(default=0, description="Rows that steps made beyond those that were read.")
    bytes_read: int = 0
    cursor: str | None = Field(default=None, description="How far an incremental source was read.")
    steps: list[StepCounts] = Field(default_factory=list)

"""A job: everything that the data path of one attempt needs, complete and checked.

It goes to the child process by its pipe and nowhere else, because it holds connection info.
"""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, Columns
from services.etl.pipeline.definition import Limits, StepConfig, StepName, TargetTable, Winner, WriteMode
from shared.contracts.connection import SECRET_FIELDS, ResourceConnection


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class JobSource(_Part):
    """The loader with its parameters, and the file as it lies on this machine."""

    loader: StepName
    params: dict[str, Any]
    path: str = Field(description="Path of the file, readable by the runner.")
    size: int = Field(ge=0, description="Bytes.")
    sha256: str | None = None


class JobTarget(_Part):
    """The table to fill, and how."""

    connection: ResourceConnection
    sqlite_path: str | None = Field(default=None, description="Path of the file of an SQLite resource.")
    schema_name: str | None = None
    table_name: str
    columns: list[Column]
    defaults: list[str] = Field(default_factory=list, description="Columns that the table fills by itself.")
    key: list[str] = Field(default_factory=list, description="Columns of the key, for upsert.")
    mode: WriteMode = "append"
    winner: Winner = "last"

    def table(self) -> TargetTable:
        """The table as validation sees it."""
        return TargetTable(Columns(self.columns), tuple(self.key), frozenset(self.defaults))


class JobSpec(_Part):
    """A job before there is a run: what a task's revision comes to. `steps` are the handlers alone."""

    source: JobSource
    steps: list[StepConfig]
    target: JobTarget
    limits: Limits = Field(default_factory=Limits)
    memory_limit_mb: int = Field(default=1024, ge=128)

    def for_attempt(self, *, run_id: UUID, attempt: int, fence: int, table_key: str) -> "Job":
        """The job of one attempt of a run."""
        return Job(
            run_id=run_id,
            attempt=attempt,
            fence=fence,
            table_key=table_key,
            source=self.source,
            steps=self.steps,
            target=self.target,
            limits=self.limits,
            memory_limit_mb=self.memory_limit_mb,
        )


class Job(JobSpec):
    """One attempt of one run. `fence` compares across all runs of `table_key`: the highest may commit."""

    run_id: UUID
    attempt: int = Field(ge=1)
    fence: int = Field(ge=0)
    table_key: str = Field(min_length=1, max_length=300)

    def to_wire(self) -> dict[str, Any]:
        """As JSON data with the secrets in it. For the pipe to the child, never for a log or a store."""
        wire = self.model_dump(mode="json")
        connection = self.target.connection.connection
        for name in SECRET_FIELDS:
            if (secret := getattr(connection, name, None)) is not None:
                wire["target"]["connection"]["connection"][name] = secret.get_secret_value()
        return wire


class StepCounts(BaseModel):
    """Rows at one step: `rows_in` = `rows_out` + `rejected` + `filtered` + `deduplicated`."""

    step: str
    position: int = Field(description="-1 the loader, 0.. the handlers, then the destination.")
    rows_in: int = 0
    rows_out: int = 0
    rejected: int = 0
    filtered: int = 0
    deduplicated: int = 0

    def add_up(self) -> bool:
        """Whether no row is unaccounted for."""
        return self.rows_in == self.rows_out + self.rejected + self.filtered + self.deduplicated


class Counts(BaseModel):
    """What became of the rows: `read` = `written` + `filtered` + `deduplicated` + `rejected`,
    and `written` = `inserted` + `updated` + `unchanged`.
    """

    read: int = 0
    written: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    deduplicated: int = 0
    rejected: int = 0
    bytes_read: int = 0
    steps: list[StepCounts] = Field(default_factory=list)

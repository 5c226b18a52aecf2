"""The configuration of a pipeline, as a task stores it: source, steps, limits."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import ColumnName, Columns

StepName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z][a-z0-9_]*$")]

WriteMode = Literal["append", "upsert", "insert_only", "replace", "scd2"]
"""append adds every row; upsert inserts new keys and updates changed rows of known keys; insert_only leaves
the rows of known keys alone; replace makes the rows all that the table holds; scd2 keeps every version of a
key with the time in which it was valid (slowly changing dimension, type 2).
"""

KEYED: Final[frozenset[WriteMode]] = frozenset({"upsert", "insert_only", "scd2"})
"""Modes that tell rows apart by a key."""

Winner = Literal["last", "first"]
"""Which of several rows with one key is kept, by their order in the source."""


FileFormat = Literal["parquet", "csv", "json_lines"]
FilePacking = Literal["auto", "none", "gzip", "zstd"]
Overwrite = Literal["replace", "new"]
"""replace takes the place of the file of that name; new wants that there is none."""


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(Config):
    """Where the rows come from: a loader and its parameters."""

    loader: StepName = "csv"
    params: dict[str, Any] = Field(default_factory=dict)


class StepConfig(Config):
    """One step of the pipeline: its name and its parameters, as the step's own schema wants them."""

    step: StepName
    params: dict[str, Any] = Field(default_factory=dict)


class Limits(Config):
    """What a run may cost before it fails. A run fails when either limit of rejects is passed."""

    max_rejects: int = Field(default=0, ge=0, description="Rejected rows that a run may have.")
    max_reject_ratio: float | None = Field(
        default=None, ge=0, le=1, description="Share of the rows read that may be rejected."
    )
    timeout_seconds: int = Field(default=3600, ge=1, le=7 * 24 * 3600)


class PipelineConfig(Config):
    """Loader, then handlers, then one destination step at the end."""

    source: SourceConfig
    steps: list[StepConfig] = Field(min_length=1, max_length=50)
    limits: Limits = Field(default_factory=Limits)


class History(Config):
    """Where scd2 keeps the time of a version, and what becomes of keys that the source does not have."""

    valid_from: ColumnName = "valid_from"
    valid_to: ColumnName = Field(default="valid_to", description="NULL in the version that is valid.")
    active: ColumnName | None = Field(
        default=None, description="A Boolean column that is true in the version that is valid."
    )
    absent: Literal["keep", "close"] = Field(
        default="keep",
        description="Whether keys that the source does not have stay valid, or their validity ends.",
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the mode fills by itself."""
        return tuple(name for name in (self.valid_from, self.valid_to, self.active) if name is not None)


class FileForm(Config):
    """How rows are written to a file. What is below `compression` is for CSV alone."""

    format: FileFormat = "parquet"
    compression: Literal["none", "gzip", "zstd"] = "zstd"
    delimiter: str = ","
    header: bool = True
    null_token: str = ""
    line_end: Literal["lf", "crlf"] = "lf"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """What a pipeline must know of the table that it fills.

    `defaults` are the columns that the table fills by itself (default, identity): they may be left out
    even when they are not nullable. `key` is the primary key, or empty.
    """

    columns: Columns
    key: tuple[str, ...] = ()
    defaults: frozenset[str] = frozenset()

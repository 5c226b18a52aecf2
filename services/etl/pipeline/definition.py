"""The configuration of a pipeline, as a task stores it: source, steps, limits."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Columns

StepName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z][a-z0-9_]*$")]

WriteMode = Literal["append", "upsert"]
"""append adds every row; upsert inserts new keys and updates changed rows of known keys."""

Winner = Literal["last", "first"]
"""Which of several rows with one key is kept, by their order in the source."""


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


@dataclass(frozen=True, slots=True)
class TargetTable:
    """What a pipeline must know of the table that it fills.

    `defaults` are the columns that the table fills by itself (default, identity): they may be left out
    even when they are not nullable. `key` is the primary key, or empty.
    """

    columns: Columns
    key: tuple[str, ...] = ()
    defaults: frozenset[str] = frozenset()

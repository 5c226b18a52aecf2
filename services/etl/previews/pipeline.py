"""What a preview of a pipeline is asked and what it answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, ColumnName
from services.etl.pipeline.definition import StepConfig, WriteMode
from services.etl.pipeline.job import JobSource, StepCounts
from services.etl.runs.rejected.schemas import RejectedRow

WhyGone = Literal["rejected", "filtered", "deduplicated", "merged"]


class PreviewedTarget(BaseModel):
    """The table at the end of a pipeline, as far as rows are judged by it. Nothing connects to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    columns: list[Column]
    key: list[ColumnName]
    mode: WriteMode


class PipelineSpec(BaseModel):
    """A pipeline to try on the beginning of its source. `steps` are the handlers alone.

    It may hold connection info: it goes to a child by its pipe and nowhere else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    source: JobSource
    steps: list[StepConfig]
    lookups: dict[str, JobSource] = Field(default_factory=dict)
    target: PreviewedTarget | None = None
    rows: int = Field(default=50, ge=1, le=1000)
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    memory_limit_mb: int = Field(default=512, ge=128)


class PreviewedRow(BaseModel):
    """A row after a step, and which row before the step it was made of."""

    record: int = Field(description="Number of the record in the source, over all its files.")
    cells: list[str | None] = Field(
        description="In the order of the columns, as text; shortened to 200 characters with an ellipsis."
    )
    before: int | None = Field(
        default=None,
        description="Place among the rows shown for the step before, from 0; null for a new row.",
    )
    changed: list[ColumnName] = Field(
        default_factory=list, description="Columns that were there before with another value."
    )


class GoneRow(BaseModel):
    """A row that is not there any more after a step."""

    before: int = Field(description="Place among the rows shown for the step before, from 0.")
    why: WhyGone | None = Field(default=None, description="Null where a step drops rows for several reasons.")


class StepProblem(BaseModel):
    """Why a step has failed; the steps behind it have not been tried."""

    code: str
    message: str
    loc: list[str | int] = Field(default_factory=list, description="The place in the pipeline.")


class StepPreview(BaseModel):
    """One step on the beginning of the source: the loader first, then the handlers, then the table."""

    step: str
    position: int = Field(description="-1 for the loader, else the place among the pipeline's steps.")
    columns: list[Column] = Field(description="The columns after the step.")
    counts: StepCounts
    milliseconds: float = Field(description="Time in the step itself.")
    rows: list[PreviewedRow] = Field(description="The first rows after the step.")
    gone: list[GoneRow] = Field(default_factory=list, description="Of the rows shown for the step before.")
    rejects: list[RejectedRow] = Field(default_factory=list, description="The first rows that it rejects.")
    problem: StepProblem | None = None


class PipelinePreview(BaseModel):
    """What each step makes of the beginning of the source. Nothing is written anywhere.

    Steps that see a whole table see only these rows, so groups and sums are those of the sample.
    """

    steps: list[StepPreview]
    rows_read: int = Field(description="Records that were read.")
    complete: bool = Field(description="Whether these are all records of the source.")

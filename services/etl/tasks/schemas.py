from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column
from services.etl.pipeline.definition import (
    FileForm,
    Limits,
    Overwrite,
    PipelineConfig,
    SourceConfig,
    StepConfig,
    WriteMode,
)
from services.etl.runs.schemas import RunWarning
from shared.http.paging import PageQuery
from shared.identifiers import DataTableId, FileId, TaskId


class TaskInput(PipelineConfig):
    """A task: a name and a pipeline of source, steps and limits."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    description: Annotated[str, Field(max_length=10_000)] = ""

    def pipeline(self) -> PipelineConfig:
        """The pipeline alone."""
        return PipelineConfig(source=self.source, steps=self.steps, limits=self.limits)


class TaskSummary(BaseModel):
    """A task in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: TaskId
    name: str
    description: str
    revision: int
    table_id: DataTableId | None = Field(description="None for a task that writes a file.")
    file_id: FileId | None
    version: int
    created_at: datetime
    updated_at: datetime


class TaskView(TaskSummary):
    """A task with its pipeline."""

    source: SourceConfig
    steps: list[StepConfig]
    limits: Limits
    warnings: list[RunWarning] = Field(description="What is to be said of the data table just now.")


class TaskQuery(PageQuery):
    """Which tasks to list, in the order in which they were made."""

    table_id: DataTableId | None = None
    file_id: FileId | None = None


class TaskRevisionView(BaseModel):
    """A pipeline as a task had it."""

    revision: int
    created_at: datetime
    created_by: UUID
    source: SourceConfig
    steps: list[StepConfig]
    limits: Limits


class StepColumns(BaseModel):
    """The columns before a step."""

    step: str
    columns: list[Column]


class ValidPipeline(BaseModel):
    """A pipeline that can run: the columns that each step gets, and what is to be said of its table."""

    steps: list[StepColumns]
    warnings: list[RunWarning]


class DryRunFile(BaseModel):
    """The file that a run would write."""

    name: str = Field(description="Its name for a run that was asked for now; `<run>` is the run's id.")
    form: FileForm
    overwrite: Overwrite
    taken: bool | None = Field(description="Whether there is a file of that name; None for a bucket.")


class DryRun(BaseModel):
    """What a run would do with its target, a table or a file; nothing of it is done."""

    engine: str = Field(description="The type of the resource; `store` for one of the tenant's own files.")
    schema_name: str | None = None
    table_name: str | None = None
    mode: WriteMode | None = None
    file: DryRunFile | None = Field(default=None, description="The file, where there is no table.")
    key: list[str] = Field(description="The columns that decide which row is which; empty without a key.")
    columns: list[Column] = Field(description="The columns that are written, as the target holds them.")
    incremental: bool = Field(description="Whether each run goes on where the last one has ended.")
    cursor: str | None = Field(
        description=(
            "Where the next run goes on, as the last one has told. What counts is the target's own note,"
            " which commits with the rows."
        )
    )
    statements: list[str] = Field(description="The SQL in its order; `<...>` stands for what a run puts in.")
    warnings: list[RunWarning]

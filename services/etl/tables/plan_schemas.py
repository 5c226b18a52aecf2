from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.identifiers import DataTableId, TaskId

from .dialects import Risk


class StatementView(BaseModel):
    """One statement of a plan."""

    sql: str
    risk: Risk
    reason: str


class AffectedTask(BaseModel):
    """A task that fills the table."""

    id: TaskId
    name: str


class PlanView(BaseModel):
    """What a publish would do: in one transaction, or, on MySQL and MariaDB, in one atomic statement."""

    table_id: DataTableId
    revision: int
    kind: Literal["create", "adopt", "change", "resume", "none"] = Field(
        description="adopt: an interrupted publish has made the table already; resume: one was cut off on its"
        " way; none: nothing to do."
    )
    statements: list[StatementView]
    bookkeeping: list[str] = Field(
        description="Penstock's own tables beside it; made where they are missing."
    )
    affected_tasks: list[AffectedTask]
    plan_hash: str


class PublishPlan(BaseModel):
    """The plan that was shown and is to be carried out."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]+$")]

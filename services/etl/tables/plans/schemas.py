from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.tables.dialects import Lock, Risk
from services.etl.tables.ports import AffectedTask
from shared.contracts.problem import ProblemFault
from shared.identifiers import DataTableId, RunId

from .plan import Kind

PlanHash = Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]+$")]
Confirm = Annotated[str, Field(max_length=255)]


class StatementView(BaseModel):
    """One statement of a plan."""

    sql: str
    risk: Risk = Field(
        description="safe: nothing waits; locks: readers or writers wait; rewrites: for as long as the table"
        " is large; destroys: data goes."
    )
    reason: str
    lock: Lock = Field(description="Who waits while it runs; brief: all, for a moment.")
    seconds: float | None = Field(
        description="An estimate of its time by the size of the table; null while that isn't known."
    )


class CheckView(BaseModel):
    """What was looked for in the rows, and how many stand against the change."""

    loc: list[str | int] = Field(description="The place of the definition that asks for it.")
    code: str
    message: str
    rows: int
    samples: list[str] = Field(
        description="Some of the values; shown to those who may publish the table, else empty."
    )


class PlanView(BaseModel):
    """What a publish would do."""

    table_id: DataTableId
    revision: int
    kind: Kind = Field(
        description="adopt: an interrupted publish has made the table already; resume: one was cut off on its"
        " way; none: nothing to do."
    )
    rows: int | None = Field(description="Rows of the table; null for one that isn't there.")
    bytes: int | None = Field(description="Bytes of the table with its indexes.")
    exact: bool = Field(description="Whether the rows were counted; else they are the server's estimate.")
    statements: list[StatementView]
    checks: list[CheckView]
    faults: list[ProblemFault] = Field(description="What the target can't carry out at all, with places.")
    possible: bool = Field(description="Whether it can be carried out, by its faults and checks.")
    destructive: bool = Field(description="Whether data goes.")
    confirm: str | None = Field(description="What has to be given as `confirm`, because data goes.")
    bookkeeping: list[str] = Field(
        description="Penstock's own tables beside it; made where they are missing."
    )
    affected_tasks: list[AffectedTask]
    run_id: RunId | None = Field(description="A run that is at work on the table, and is waited for.")
    change_id: UUID | None = Field(description="Another change of the table that was under way.")
    plan_hash: PlanHash


class PlanOptions(BaseModel):
    """How a plan is to be made."""

    model_config = ConfigDict(extra="forbid")

    concurrently: bool = Field(
        default=False,
        description="Make indexes while others write, on PostgreSQL outside of the transaction.",
    )


class ApplyPlan(PlanOptions):
    """The plan that was shown and is to be carried out, made with the same options."""

    plan_hash: PlanHash
    confirm: Confirm | None = Field(default=None, description="The plan's `confirm`, if data goes.")

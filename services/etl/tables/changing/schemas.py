from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.tables.dialects import Risk
from shared.contracts.problem import ProblemFault
from shared.identifiers import DataTableId, ResourceId

from .states import ChangeKind, ChangeState


class ChangedStatement(BaseModel):
    """One statement of a change."""

    sql: str
    risk: Risk


class ChangeProblem(BaseModel):
    """Why a change did not end well."""

    code: str
    message: str
    errors: list[ProblemFault] = Field(default_factory=list)


class ChangeView(BaseModel):
    """A change of a physical table, or an attempt at it. It stays when the data table goes."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    table_id: DataTableId
    table_name: str
    resource_id: ResourceId
    kind: ChangeKind
    state: ChangeState = Field(
        description="refused: nothing was changed; failed: it ended on its way; lost: whoever was at it is"
        " gone, and a look at the target says how far it came."
    )
    by: UUID | None
    revision: int | None
    statements: list[ChangedStatement]
    step: int = Field(
        description="The step of `steps` that has begun; some targets count our own books, too."
    )
    steps: int
    problem: ChangeProblem | None
    started_at: datetime
    finished_at: datetime | None


def view(row: Any) -> ChangeView:
    """A change as an answer."""
    return ChangeView.model_validate(row)

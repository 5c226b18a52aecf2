from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.tables.definition import Name
from services.etl.tables.plans.looking import GhostKind
from services.etl.tables.plans.schemas import Confirm, PlanHash, PlanView
from services.etl.tables.schemas import DisplayName
from shared.http.paging import PageQuery
from shared.identifiers import DataTableId, ResourceId


class InspectionView(BaseModel):
    """What a look at the target has shown of one data table."""

    table_id: DataTableId
    display_name: str
    resource_id: ResourceId
    schema_name: str | None
    physical_name: str
    state: Literal["draft", "created"]
    sync_state: Literal["synced", "pending", "ghost"] | None
    finding: GhostKind | None = Field(
        description="missing: there is no table; drifted: it isn't as it was published; replaced: something"
        " else has its name; halfway: a change was cut off and can be finished. Null: as it was published."
    )
    differences: list[str]
    problem: str | None = Field(description="Why nothing could be seen.")
    at: datetime


class GhostView(BaseModel):
    """A data table whose physical table was gone, or not as it was published, at the last look."""

    table_id: DataTableId
    display_name: str
    resource_id: ResourceId
    schema_name: str | None
    physical_name: str
    finding: GhostKind | None
    differences: list[str]
    inspected_at: datetime | None


class InspectQuery(BaseModel):
    """Which data tables to look at."""

    model_config = ConfigDict(extra="forbid")

    resource_id: ResourceId | None = None


class GhostQuery(PageQuery):
    """Which ghosts to list."""

    resource_id: ResourceId | None = None


class OrphanQuery(BaseModel):
    """Where to look for orphans."""

    model_config = ConfigDict(extra="forbid")

    resource_id: ResourceId


class OrphanView(BaseModel):
    """A table with a mark of Penstock that belongs to no data table."""

    resource_id: ResourceId
    table_id: UUID = Field(description="The id of the data table that it belonged to.")
    schema_name: str | None
    physical_name: str
    revision: int
    exists: bool = Field(description="Whether the table is there still, or only its mark.")


class OrphanInput(BaseModel):
    """Which orphan, as it was listed."""

    model_config = ConfigDict(extra="forbid")

    resource_id: ResourceId
    table_id: UUID
    schema_name: Name | None = None
    physical_name: Annotated[Name, Field(min_length=1)]


class OrphanAdoption(OrphanInput):
    """Which orphan, and what the data table is to be called that is made of it."""

    display_name: DisplayName


RepairAction = Literal["recreate", "adopt", "draft"]


class RepairRequest(BaseModel):
    """What is to become of a data table whose physical table isn't as it was published."""

    model_config = ConfigDict(extra="forbid")

    action: RepairAction = Field(
        description="recreate: make the physical table what is configured; adopt: configure what is there;"
        " draft: forget the publishes and leave the physical table alone."
    )


class RepairPlanView(BaseModel):
    """What a repair would do."""

    table_id: DataTableId
    action: RepairAction
    plan: PlanView | None = Field(description="For recreate: the plan in the target.")
    changes: list[str] = Field(description="What changes in the configuration, in sentences.")
    confirm: str | None = Field(description="What has to be given as `confirm`, because data goes.")
    plan_hash: PlanHash


class Repair(RepairRequest):
    """The repair that was shown and is to be carried out."""

    plan_hash: PlanHash
    confirm: Confirm | None = Field(default=None, description="The plan's `confirm`, if data goes.")

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.http.paging import PageQuery
from shared.identifiers import DatasourceId, ResourceId

SearchText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


class DatasourceView(BaseModel):
    """A resource as the catalog knows it."""

    model_config = ConfigDict(from_attributes=True)

    id: DatasourceId
    resource_id: ResourceId
    resource_type: str
    name: str
    is_scannable: bool = Field(description="Whether there is a scanner for this type of resource.")
    active_sync_log_id: UUID | None = Field(description="The sync or scan that isn't finished.")
    last_sync_at: datetime | None = Field(description="When level 1 was last successful.")
    last_scan_at: datetime | None = Field(description="When level 2 was last successful.")
    removed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class DatasourceQuery(PageQuery):
    """Datasources by name; those whose resource was deleted only when asked for."""

    name: SearchText | None = Field(default=None, description="Part of the name, in any case.")
    resource_type: SearchText | None = None
    removed: bool = Field(default=False, description="List those that were removed, instead.")

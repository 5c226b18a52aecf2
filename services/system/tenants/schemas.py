from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.identifiers import TenantId

TenantSlug = Annotated[
    str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
]
TenantName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TenantCreate(BaseModel):
    """A tenant to create."""

    model_config = ConfigDict(extra="forbid")

    slug: TenantSlug = Field(description="The short name that people log in with; it never changes.")
    name: TenantName


class TenantChange(BaseModel):
    """What to change of a tenant; what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: TenantName | None = None


class TenantView(BaseModel):
    id: TenantId
    slug: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime

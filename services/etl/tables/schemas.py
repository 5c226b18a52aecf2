from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.etl.columns import ColumnTypeText
from shared.http.paging import PageQuery
from shared.identifiers import DataTableId, ResourceId

from .definition import (
    MAX_COLUMNS,
    ColumnDefinition,
    Comment,
    Default,
    KeyDefinition,
    Name,
    NativeType,
)

DisplayName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Description = Annotated[str, Field(max_length=10_000)]
SearchText = Annotated[str, Field(min_length=1, max_length=255)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


def _once(tags: list[str]) -> list[str]:
    """Each once, as it was written first; the case of letters makes no other tag."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(tag.casefold(), tag)
    return list(first.values())


Tags = Annotated[list[Tag], Field(max_length=20), AfterValidator(_once)]
"""Words that people find things by."""


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CategoryInput(_Input):
    """A category."""

    name: Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
    description: Description = ""


class CategoryView(BaseModel):
    """A category of data tables."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime


class ColumnInput(_Input):
    """A column. Give the `id` of a column that you rename; otherwise a known name keeps its id."""

    id: UUID | None = None
    name: Name
    type: ColumnTypeText
    native: NativeType | None = Field(
        default=None,
        description="A type of the database by its name, such as inet; `type` then says how pipelines"
        " exchange its values.",
    )
    nullable: bool = True
    default: Default | None = None
    comment: Comment = ""


class KeyInput(_Input):
    """A unique key or an index. Without a name it gets one made of its columns."""

    name: Name | None = None
    columns: Annotated[list[str], Field(max_length=100)]


ColumnInputs = Annotated[list[ColumnInput], Field(max_length=MAX_COLUMNS)]
KeyInputs = Annotated[list[KeyInput], Field(max_length=100)]
PrimaryKey = Annotated[list[str], Field(max_length=100)]


class DataTableInput(_Input):
    """A data table to be made as a draft. Without a schema it gets the database's usual one.

    A draft can be without columns; it needs one before it is published.
    """

    display_name: DisplayName
    description: Description = ""
    category_id: UUID | None = None
    tags: Tags = []
    resource_id: ResourceId
    schema_name: Name | None = None
    physical_name: Name
    columns: ColumnInputs
    primary_key: PrimaryKey = []
    unique_keys: KeyInputs = []
    indexes: KeyInputs = []
    comment: Comment = ""


class DataTableUpdate(_Input):
    """What is to change; members that are left out stay as they are, lists are given whole."""

    display_name: DisplayName | None = None
    description: Description | None = None
    category_id: UUID | None = None
    tags: Tags | None = None
    resource_id: ResourceId | None = None
    schema_name: Name | None = None
    physical_name: Name | None = None
    columns: ColumnInputs | None = None
    primary_key: PrimaryKey | None = None
    unique_keys: KeyInputs | None = None
    indexes: KeyInputs | None = None
    comment: Comment | None = None


class DataTableSummary(BaseModel):
    """A data table in a list."""

    id: DataTableId
    display_name: str
    description: str
    category_id: UUID | None
    tags: list[str]
    resource_id: ResourceId
    resource_type: str
    schema_name: str | None
    physical_name: str
    state: Literal["draft", "created"]
    sync_state: Literal["synced", "pending", "ghost"] | None = Field(
        description="pending: the definition is ahead of the physical table; ghost: the physical table is"
        " gone or not as it was published. Null for a draft."
    )
    revision: int
    published_revision: int | None
    last_published_at: datetime | None
    inspected_at: datetime | None = Field(description="When the target was looked at last.")
    changing: UUID | None = Field(
        description="The change that is under way; see the history of the data table."
    )
    version: int
    created_at: datetime
    updated_at: datetime


class DataTableView(DataTableSummary):
    """A data table with its definition."""

    columns: list[ColumnDefinition]
    primary_key: list[str]
    unique_keys: list[KeyDefinition]
    indexes: list[KeyDefinition]
    comment: str


class DataTableQuery(PageQuery):
    """Which data tables to list, in the order in which they were made."""

    category_id: UUID | None = None
    tag: SearchText | None = Field(default=None, description="A tag that they have, in any case.")
    q: SearchText | None = Field(
        default=None, description="A part of the display name or the physical name, in any case."
    )
    resource_id: ResourceId | None = None
    state: Literal["draft", "synced", "pending", "ghost"] | None = None


class DeleteQuery(_Input):
    """What becomes of the physical table."""

    physical: Literal["keep", "drop"] = Field(
        default="keep", description="keep: Penstock forgets the table; drop: the table goes with its rows."
    )
    confirm: str | None = Field(
        default=None, max_length=255, description="For drop: the physical name of the table."
    )

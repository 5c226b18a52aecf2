from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.tables.definition import ColumnDefinition, KeyDefinition
from shared.http.paging import PageQuery

MAX_REVISION = 2**31 - 1
RevisionNumber = Annotated[int, Field(ge=1, le=MAX_REVISION)]


class RevisionQuery(PageQuery):
    """Revisions, the newest first."""

    published: bool | None = Field(
        default=None, description="Those that were published, or those that were not; else all."
    )


class RevisionSummary(BaseModel):
    """What an edit has left. Of those that were never published the newest two hundred are kept."""

    revision: int
    schema_name: str | None
    physical_name: str
    created_at: datetime
    created_by: UUID
    published_at: datetime | None


class RevisionView(RevisionSummary):
    """A revision with its definition."""

    columns: list[ColumnDefinition]
    primary_key: list[str]
    unique_keys: list[KeyDefinition]
    indexes: list[KeyDefinition]
    comment: str


class CompareQuery(BaseModel):
    """Which two revisions to compare."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    before: RevisionNumber | None = Field(
        default=None,
        alias="from",
        description="By default the one that was published last; for a draft the one before `to`.",
    )
    after: RevisionNumber | None = Field(default=None, alias="to", description="By default the current one.")


class ChangedColumn(BaseModel):
    """A column of both that differs."""

    before: ColumnDefinition
    after: ColumnDefinition
    changes: list[Literal["name", "type", "nullable", "default", "comment"]]


class KeyView(BaseModel):
    """A key or an index, by the names of its columns."""

    kind: Literal["primary", "unique", "index"]
    name: str
    columns: list[str]


class RenamedKey(BaseModel):
    """A key of both that has another name."""

    before: KeyView
    after: KeyView


class ChangedText(BaseModel):
    """A text before and after."""

    before: str
    after: str


class ComparisonView(BaseModel):
    """What leads from one revision to another; columns are the same if their ids are."""

    model_config = ConfigDict(populate_by_name=True)

    before: int = Field(alias="from")
    after: int = Field(alias="to")
    same: bool
    sentences: list[str] = Field(description="What differs, said of the second.")
    added: list[ColumnDefinition]
    dropped: list[ColumnDefinition]
    changed: list[ChangedColumn]
    keys_added: list[KeyView]
    keys_dropped: list[KeyView]
    keys_renamed: list[RenamedKey]
    comment: ChangedText | None
    physical_name: ChangedText | None

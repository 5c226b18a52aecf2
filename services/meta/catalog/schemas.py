from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.meta.scanners._model import ColumnKey, ConstraintKind, KeyKind, TableType
from shared.http.paging import PageQuery
from shared.identifiers import DatasourceId

SearchText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class DatabaseView(View):
    """One database. Null counts and sizes are unknown: the resource's user may not look."""

    id: UUID
    datasource_id: DatasourceId
    name: str = Field(description="As the server spells it.")
    charset: str | None
    collation: str | None
    owner: str | None
    table_count: int | None = Field(description="Tables and views, without those of the system.")
    total_size_bytes: int | None
    is_accessible: bool = Field(description="Whether the resource's user may enter it.")
    is_scanned: bool
    last_scan_at: datetime | None
    removed_at: datetime | None


class FieldView(View):
    """One column of a table or view."""

    id: UUID
    table_id: UUID
    name: str
    position: int = Field(description="From 1, without holes.")
    data_type: str = Field(description="The type without its length or precision.")
    column_type: str = Field(description="The type as it was declared.")
    is_nullable: bool
    column_key: ColumnKey | None = Field(
        description="PRI: in the primary key; UNI: unique by itself; MUL: first of an index."
    )
    column_default: str | None = Field(description="The expression as the server spells it.")
    extra: str | None = Field(description="Such as identity, generated, autoincrement.")
    comment: str | None
    type_detail: dict[str, Any] | None = Field(
        description="Labels of an enum, base type of a domain, collation."
    )
    removed_at: datetime | None


class KeyView(View):
    """A primary, unique or foreign key."""

    name: str | None
    kind: KeyKind
    columns: list[str]
    referenced_schema: str | None
    referenced_table: str | None
    referenced_columns: list[str]
    on_update: str | None
    on_delete: str | None
    is_deferrable: bool
    is_validated: bool
    nulls_distinct: bool


class IndexPartView(View):
    """A column or an expression of an index."""

    column: str | None
    expression: str | None
    is_descending: bool


class IndexView(View):
    """One index."""

    name: str
    method: str | None
    is_unique: bool
    is_primary: bool
    is_valid: bool
    parts: list[IndexPartView]
    included: list[str]
    predicate: str | None


class ConstraintView(View):
    """A check or exclusion constraint."""

    name: str | None
    kind: ConstraintKind
    definition: str
    is_validated: bool


class TableView(View):
    """One table or view. Row count and sizes are the server's estimates; null is unknown."""

    id: UUID
    datasource_id: DatasourceId
    database_id: UUID
    schema_name: str = Field(alias="schema")
    name: str
    type: TableType
    engine: str | None
    owner: str | None
    comment: str | None
    row_count: int | None
    data_size_bytes: int | None
    index_size_bytes: int | None
    field_count: int
    is_readable: bool = Field(description="Whether the resource's user may read its rows.")
    scan_error: str | None = Field(description="Why the last scan could not read it.")
    last_scan_at: datetime | None
    removed_at: datetime | None


class TableDetail(TableView):
    """A table with its fields, keys, indexes and constraints."""

    database: str
    definition: str | None = Field(description="The query of a view.")
    partition_key: str | None
    fields: list[FieldView]
    keys: list[KeyView]
    indexes: list[IndexView]
    constraints: list[ConstraintView]


class DatabaseQuery(PageQuery):
    """Databases in the order of their names."""

    datasource_id: DatasourceId | None = None
    name: SearchText | None = Field(default=None, description="Part of the name, in any case.")
    removed: bool = Field(default=False, description="List those that were removed, instead.")


class TableQuery(PageQuery):
    """Tables in the order of their names."""

    datasource_id: DatasourceId | None = None
    database_id: UUID | None = None
    schema_name: SearchText | None = Field(default=None, alias="schema")
    type: TableType | None = None
    name: SearchText | None = Field(default=None, description="Part of the name, in any case.")
    removed: bool = Field(default=False, description="List those that were removed, instead.")


class FieldQuery(PageQuery):
    """Fields; those of one table in the order of their positions."""

    datasource_id: DatasourceId | None = None
    database_id: UUID | None = None
    table_id: UUID | None = None
    name: SearchText | None = Field(default=None, description="Part of the name, in any case.")
    data_type: SearchText | None = None
    column_key: ColumnKey | None = None
    removed: bool = Field(default=False, description="List those that were removed, instead.")

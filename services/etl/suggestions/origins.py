"""What a data table can be made after, read as columns and keys in the words of definitions. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final

from services.etl.clients import CatalogField, CatalogTable
from services.etl.columns import TEXT, ColumnType
from services.etl.previews.definition import PreviewColumn, PreviewResult
from services.etl.tables.definition import ColumnDefinition, Default, TableDefinition
from services.etl.tables.dialects import Dialect
from services.etl.tables.literals import LiteralUnfit, canonical
from services.etl.tables.physical import PhysicalColumn

from .naming import plain
from .nearest import nearest

MAX_NATIVE: Final = 1000
_FILLED: Final = ("auto_increment", "identity", "autoincrement", "rowid", "nextval(")
_GENERATED: Final = "generated always as ("


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column to be made after; `lost` says what of it has no equal, each with a code."""

    name: str
    type: ColumnType
    native: str | None = None
    nullable: bool = True
    default: Default | None = None
    comment: str = ""
    lost: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A table to be made after; keys are given by the names of their columns."""

    title: str
    name: str
    columns: Sequence[SourceColumn]
    primary_key: Sequence[str] = ()
    unique_keys: Sequence[Sequence[str]] = ()
    indexes: Sequence[Sequence[str]] = ()
    comment: str = ""
    description: str = ""
    lost: Sequence[tuple[str, str]] = field(default=())


def of_csv(name: str, preview: PreviewResult) -> Source:
    """The columns of a file, with the types that its beginning suggests."""
    title = PurePath(name).stem or name
    columns = [_of_preview(column, complete=preview.complete) for column in preview.columns]
    return Source(title, plain(title), columns)


def of_data_table(
    title: str, name: str, definition: TableDefinition, *, dialect: Dialect, to: Dialect
) -> Source:
    """Another data table, which may be of another database."""
    return Source(
        title,
        name,
        [_of_definition(column, same=dialect is to) for column in definition.columns],
        definition.primary_key,
        [key.columns for key in definition.unique_keys],
        [key.columns for key in definition.indexes],
        definition.comment,
    )


def of_catalog(table: CatalogTable, *, dialect: Dialect | None, to: Dialect) -> Source:
    """A table of the catalog; `dialect` is None for a kind of database that can't hold data tables."""
    columns = [_of_field(one, dialect=dialect, to=to) for one in table.fields_]
    primary = next((key.columns for key in table.keys if key.kind == "primary"), [])
    return Source(
        table.name,
        table.name,
        [replace(one, nullable=one.nullable and one.name not in primary) for one in columns],
        primary,
        [key.columns for key in table.keys if key.kind == "unique"],
        list(_indexes(table)),
        table.comment or "",
        lost=list(_left_out(table)),
    )


def _of_preview(column: PreviewColumn, *, complete: bool) -> SourceColumn:
    return SourceColumn(column.name, column.type, nullable=column.nullable or not complete)


def _of_definition(column: ColumnDefinition, *, same: bool) -> SourceColumn:
    lost: list[tuple[str, str]] = []
    native, default = column.native, column.default
    if native is not None and not same:
        lost.append(("type_without_equal", f"the type {native} becomes {column.type} here"))
        native = None
    if default is not None and default.kept is not None:
        lost.append(("default_left_out", f"what fills the column there isn't made here: {default.kept}"))
        default = None
    return SourceColumn(column.name, column.type, native, column.nullable, default, column.comment, lost)


def _of_field(one: CatalogField, *, dialect: Dialect | None, to: Dialect) -> SourceColumn:
    kind, native, lost = _typed(one.column_type, dialect, to)
    default, undone = _default(one, kind, dialect)
    notes = [*lost, *undone]
    return SourceColumn(one.name, kind, native, one.is_nullable, default, one.comment or "", notes)


def _typed(
    spelled: str, dialect: Dialect | None, to: Dialect
) -> tuple[ColumnType, str | None, list[tuple[str, str]]]:
    # As a catalog shows it, with widths that mean nothing: bigint(20).
    plain = (dialect.native_name(spelled) or spelled) if dialect else spelled
    kind = dialect.type_of(plain) if dialect else None
    if kind is not None:
        return kind, None, []
    native = to.native_name(spelled) if dialect is to else None
    if native is not None and len(native) <= MAX_NATIVE:
        return TEXT, native, []
    kind = nearest(spelled)
    return kind, None, [("type_without_equal", f"the type {spelled[:200]} becomes {kind} here")]


def _default(
    one: CatalogField, kind: ColumnType, dialect: Dialect | None
) -> tuple[Default | None, list[tuple[str, str]]]:
    filled = _filled(one)
    if filled is None and (one.column_default is None or dialect is None):
        return None, []
    lost = [("default_left_out", f"what fills the column there isn't made here: {_shown(one)}")]
    if filled is not None or dialect is None:
        return None, lost
    found = dialect.default_of(
        PhysicalColumn(one.name, one.column_type, one.is_nullable, one.column_default), kind
    )
    return (None, lost) if found is None or not _is_fit(found, kind) else (found, [])


def _filled(one: CatalogField) -> str | None:
    words = f"{one.extra or ''} {one.column_default or ''}".lower()
    return next((word for word in (*_FILLED, _GENERATED) if word in words), None)


def _shown(one: CatalogField) -> str:
    return (one.column_default or one.extra or "")[:200]


def _is_fit(default: Default, kind: ColumnType) -> bool:
    if default.kept is not None:
        return False
    if default.literal is None:
        return True
    try:
        canonical(kind, default.literal)
    except LiteralUnfit:
        return False
    return True


def _indexes(table: CatalogTable) -> Iterator[list[str]]:
    keys = {tuple(key.columns) for key in table.keys if key.kind != "foreign"}
    for index in table.indexes:
        columns = [part.column for part in index.parts if part.column is not None]
        plain_one = len(columns) == len(index.parts) and index.predicate is None and not index.is_unique
        if plain_one and columns and tuple(columns) not in keys:
            yield columns


def _left_out(table: CatalogTable) -> Iterator[tuple[str, str]]:
    foreign = sum(key.kind == "foreign" for key in table.keys)
    if foreign:
        yield "keys_left_out", f"{foreign} foreign key(s) of {table.name} aren't made here"
    if table.constraints:
        yield (
            "constraints_left_out",
            f"{len(table.constraints)} constraint(s) of {table.name} aren't made here",
        )
    odd = sum(
        index.predicate is not None or any(part.column is None for part in index.parts)
        for index in table.indexes
    )
    if odd:
        yield "indexes_left_out", f"{odd} index(es) over expressions or a part of the rows aren't made here"

"""From a source to a data table that the target takes, with a note on all that had to change. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.etl.tables.definition import MAX_COLUMNS, MAX_KEY_COLUMNS
from services.etl.tables.dialects import OWN_PREFIX, Dialect
from services.etl.tables.editing import drafted
from services.etl.tables.errors import DefinitionInvalid
from services.etl.tables.schemas import ColumnInput, DataTableInput, KeyInput
from shared.engines.errors import IdentifierInvalid

from .naming import fitting, folded
from .origins import Source, SourceColumn
from .schemas import Note, SuggestTable

_MAX_COMMENT: Final = 2000
_MAX_TITLE: Final = 200
_MAX_KEYS: Final = 100


@dataclass(frozen=True, slots=True)
class Room:
    """Where the new table is to lie: its database, that one's usual schema, and the names taken there."""

    dialect: Dialect
    default_schema: str | None
    taken: Collection[str] = frozenset()


def proposed(source: Source, asked: SuggestTable, room: Room) -> tuple[DataTableInput, list[Note]]:
    """The table as it can be sent, and notes; what the database refuses all the same is among them."""
    columns = source.columns[:MAX_COLUMNS]
    names = _names(columns, room.dialect)
    made = DataTableInput(
        display_name=asked.display_name or source.title.strip()[:_MAX_TITLE] or source.name or "Table",
        description=source.description,
        resource_id=asked.resource_id,
        schema_name=asked.schema_name,
        physical_name=asked.physical_name or _physical_name(source.name, room),
        columns=[_column(column, name) for column, name in zip(columns, names, strict=True)],
        primary_key=[*_key(source.primary_key, columns, names)],
        unique_keys=_keys(source.unique_keys, columns, names),
        indexes=_keys(source.indexes, columns, names),
        comment=source.comment[:_MAX_COMMENT],
    )
    notes = [*_notes(source, names), *_refusals(made, room)]
    return made, notes


def _names(columns: Sequence[SourceColumn], dialect: Dialect) -> list[str]:
    """A name for each column; one that can stay as it is isn't taken by another before it."""
    accepts = _acceptance(dialect, dialect.reserved_columns, (OWN_PREFIX,))
    taken: set[str] = set()
    names: list[str] = []
    for number, column in enumerate(columns, start=1):
        names.append(fitting(column.name, f"column_{number}", taken, accepts))
        taken.add(folded(names[-1]))
    return names


def _physical_name(name: str, room: Room) -> str:
    accepts = _acceptance(room.dialect, frozenset(), room.dialect.reserved_prefixes)
    return fitting(name, "new_table", room.taken, accepts)


def _acceptance(
    dialect: Dialect, reserved: Collection[str], prefixes: tuple[str, ...]
) -> Callable[[str], bool]:
    def accepts(name: str) -> bool:
        try:
            dialect.check_name(name, ())
        except IdentifierInvalid:
            return False
        return name.lower() not in reserved and not name.casefold().startswith(prefixes)

    return accepts


def _column(column: SourceColumn, name: str) -> ColumnInput:
    return ColumnInput(
        name=name,
        type=column.type,
        native=column.native,
        nullable=column.nullable,
        default=column.default,
        comment=column.comment[:_MAX_COMMENT],
    )


def _key(key: Sequence[str], columns: Sequence[SourceColumn], names: Sequence[str]) -> list[str]:
    """The columns of a key under their new names; nothing where one is left out, or they are too many."""
    known: Mapping[str, str] = {column.name: name for column, name in zip(columns, names, strict=True)}
    fits = len(key) <= MAX_KEY_COLUMNS and all(name in known for name in key)
    return [known[name] for name in key] if fits else []


def _keys(
    keys: Sequence[Sequence[str]], columns: Sequence[SourceColumn], names: Sequence[str]
) -> list[KeyInput]:
    found = (_key(key, columns, names) for key in keys)
    return [KeyInput(columns=key) for key in found if key][:_MAX_KEYS]


def _notes(source: Source, names: Sequence[str]) -> Iterator[Note]:
    for index, (column, name) in enumerate(zip(source.columns, names, strict=False)):
        if column.name != name:
            message = f"the column {column.name[:255]!r} is called {name!r} here"
            yield Note(loc=["columns", index, "name"], code="column_renamed", message=message)
        for code, message in column.lost:
            place = "type" if code.startswith("type") else "default"
            yield Note(loc=["columns", index, place], code=code, message=message)
    if len(source.columns) > MAX_COLUMNS:
        message = f"only the first {MAX_COLUMNS} of {len(source.columns)} columns are here"
        yield Note(loc=["columns"], code="columns_left_out", message=message)
    if any(len(key) > MAX_KEY_COLUMNS for key in (source.primary_key, *source.unique_keys, *source.indexes)):
        message = f"keys and indexes of more than {MAX_KEY_COLUMNS} columns aren't made here"
        yield Note(loc=[], code="keys_left_out", message=message)
    for code, message in source.lost:
        yield Note(loc=[], code=code, message=message)


def _refusals(made: DataTableInput, room: Room) -> Iterator[Note]:
    try:
        drafted(made, room.dialect, room.default_schema)
    except DefinitionInvalid as refused:
        for fault in refused.faults:
            yield Note(loc=list(fault.loc[1:]), code=fault.code, message=fault.message)

"""From what a caller sends to a definition: ids for columns, names for keys. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from shared.errors import Fault
from shared.identifiers import uuid7

from .checks import NOTHING_KEPT, Keepsakes, definition_faults, location_faults
from .definition import ColumnDefinition, Default, KeyDefinition, Location, TableDefinition
from .dialects import Dialect, key_name
from .errors import DefinitionInvalid
from .literals import canonical
from .schemas import ColumnInput, DataTableInput, DataTableUpdate, KeyInput


def drafted(
    given: DataTableInput, dialect: Dialect, default_schema: str | None
) -> tuple[Location, TableDefinition]:
    """The location and definition of a new data table. Raises DefinitionInvalid."""
    location = located(given.schema_name, given.physical_name, default_schema)
    faults: list[Fault] = []
    definition = TableDefinition(
        columns=_columns(given.columns, (), faults),
        primary_key=given.primary_key,
        unique_keys=_keys(given.unique_keys, location.name, "key"),
        indexes=_keys(given.indexes, location.name, "idx"),
        comment=given.comment,
    )
    return location, checked(definition, location, dialect, faults=faults, draft=True)


def edited(
    before: TableDefinition,
    update: DataTableUpdate,
    location: Location,
    dialect: Dialect,
    *,
    published: TableDefinition | None,
    keeps: bool = True,
) -> TableDefinition:
    """The definition after an update; without `published` it is a draft's.

    What a column was found with is kept, unless that is of a database of another kind (not `keeps`). Raises
    DefinitionInvalid.
    """
    faults: list[Fault] = []
    changes: dict[str, object] = {}
    if update.columns is not None:
        changes["columns"] = _columns(update.columns, before.columns, faults)
    if update.primary_key is not None:
        changes["primary_key"] = update.primary_key
    if update.unique_keys is not None:
        changes["unique_keys"] = _keys(update.unique_keys, location.name, "key")
    if update.indexes is not None:
        changes["indexes"] = _keys(update.indexes, location.name, "idx")
    if update.comment is not None:
        changes["comment"] = update.comment
    after = before.model_copy(update=changes)
    keepsakes = Keepsakes.of(before, published) if keeps else NOTHING_KEPT
    return checked(after, location, dialect, faults=faults, draft=published is None, keepsakes=keepsakes)


def located(schema: str | None, name: str, default_schema: str | None) -> Location:
    """Where a table lies; without a schema in the database's usual one."""
    return Location(default_schema if schema is None else schema, name)


def checked(
    definition: TableDefinition,
    location: Location,
    dialect: Dialect,
    *,
    draft: bool,
    keepsakes: Keepsakes = NOTHING_KEPT,
    faults: Sequence[Fault] = (),
) -> TableDefinition:
    """The definition with its types and defaults as the database spells them.

    Raises DefinitionInvalid with its faults, and those that were found before, at their places of the body.
    """
    found = [
        *faults,
        *location_faults(location, dialect),
        *definition_faults(definition, location, dialect, draft=draft, keepsakes=keepsakes),
    ]
    if found:
        raise DefinitionInvalid(
            faults=[Fault(("body", *fault.loc), fault.code, fault.message) for fault in found]
        )
    columns = [_canonical(column, dialect, keepsakes) for column in definition.columns]
    return definition.model_copy(update={"columns": columns})


def _canonical(column: ColumnDefinition, dialect: Dialect, keepsakes: Keepsakes) -> ColumnDefinition:
    changes: dict[str, object] = {}
    if column.native is not None and (column.id, column.native) not in keepsakes.natives:
        name = dialect.native_name(column.native)
        assert name is not None, "it was checked"
        changes["native"] = None if name == dialect.type_name(column.type) else name
    if column.default is not None and column.default.literal is not None:
        changes["default"] = Default(literal=canonical(column.type, column.default.literal))
    return column.model_copy(update=changes)


def _columns(
    given: Iterable[ColumnInput],
    known: Iterable[ColumnDefinition],
    faults: list[Fault],
) -> list[ColumnDefinition]:
    by_name = {column.name: column.id for column in known}
    free = set(by_name.values())
    claimed = {column.id for column in given if column.id is not None}
    columns = []
    for index, column in enumerate(given):
        identity = column.id
        if identity is None and by_name.get(column.name) not in claimed:
            identity = by_name.get(column.name)
        if column.id is not None and column.id not in free:
            faults.append(Fault(("columns", index, "id"), "column_id_unknown", "no column has this id"))
        if identity is not None:
            free.discard(identity)
            by_name = {name: known_id for name, known_id in by_name.items() if known_id != identity}
        columns.append(_column(column, identity or uuid7()))
    return columns


def _column(given: ColumnInput, identity: UUID) -> ColumnDefinition:
    return ColumnDefinition(
        id=identity,
        name=given.name,
        type=given.type,
        native=given.native,
        nullable=given.nullable,
        default=given.default,
        comment=given.comment,
    )


def _keys(given: Iterable[KeyInput], table: str, ending: Literal["key", "idx"]) -> list[KeyDefinition]:
    return [
        KeyDefinition(
            name=key_name(table, key.columns, ending) if key.name is None else key.name, columns=key.columns
        )
        for key in given
    ]

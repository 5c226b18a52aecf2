"""Is a definition one that the database can carry out exactly as it is written? Every place that isn't."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from services.etl.columns import ColumnType
from shared.engines import errors as engine_errors
from shared.errors import Fault, Loc

from .definition import (
    MAX_COLUMNS,
    MAX_KEY_COLUMNS,
    ColumnDefinition,
    KeyDefinition,
    Location,
    TableDefinition,
)
from .dialects import OWN_PREFIX, Dialect
from .literals import LiteralUnfit, canonical

_CLOCK_KINDS = frozenset({"date", "timestamp", "timestamptz"})


def location_faults(location: Location, dialect: Dialect) -> list[Fault]:
    """What is wrong with where the table is to lie; places below the body."""
    faults = list(_name_faults(location.name, ("physical_name",), dialect))
    if location.schema is not None and not dialect.capabilities.schemas:
        faults.append(Fault(("schema_name",), "schema_impossible", f"{dialect.name} has no schemas"))
    elif location.schema is not None:
        faults += _name_faults(location.schema, ("schema_name",), dialect)
        if location.schema.casefold() in dialect.reserved_schemas:
            faults.append(Fault(("schema_name",), "identifier_reserved", "the server keeps it for itself"))
    elif dialect.capabilities.schemas:
        reason = "name the database of the table, here or in the resource"
        faults.append(Fault(("schema_name",), "schema_required", reason))
    return faults


@dataclass(frozen=True, slots=True)
class Keepsakes:
    """Types and defaults that columns were found with and that can't be given to others."""

    natives: frozenset[tuple[UUID, str]] = frozenset()
    defaults: frozenset[tuple[UUID, str]] = frozenset()

    @classmethod
    def of(cls, *definitions: TableDefinition | None) -> Self:
        """What the columns of these definitions have."""
        columns = [column for definition in definitions if definition for column in definition.columns]
        return cls(
            frozenset((one.id, one.native) for one in columns if one.native),
            frozenset((one.id, one.default.kept) for one in columns if one.default and one.default.kept),
        )


NOTHING_KEPT: Final = Keepsakes()


def definition_faults(
    definition: TableDefinition,
    location: Location,
    dialect: Dialect,
    *,
    draft: bool = False,
    keepsakes: Keepsakes = NOTHING_KEPT,
) -> list[Fault]:
    """What is wrong with the definition; places below the body. A draft may have no column yet."""
    return [
        *_count_faults(definition, draft=draft),
        *_column_faults(definition, dialect),
        *_keepsake_faults(definition, dialect, keepsakes),
        *_primary_key_faults(definition),
        *_key_faults(definition, location, dialect),
        *dialect.faults(definition),
    ]


def _count_faults(definition: TableDefinition, *, draft: bool) -> Iterator[Fault]:
    if not (0 if draft else 1) <= len(definition.columns) <= MAX_COLUMNS:
        yield Fault(("columns",), "columns_count", f"a table has 1 to {MAX_COLUMNS} columns")


def _column_faults(definition: TableDefinition, dialect: Dialect) -> Iterator[Fault]:
    places = [(("columns", index, "name"), column.name) for index, column in enumerate(definition.columns)]
    for (loc, name), column in zip(places, definition.columns, strict=True):
        yield from _name_faults(name, loc, dialect)
        if name.lower() in dialect.reserved_columns:
            yield Fault(loc, "identifier_reserved", f"{dialect.name} has a column {name.lower()} of its own")
        yield from _default_faults(column, (*loc[:-1], "default"))
    yield from _collisions(places)


def _keepsake_faults(definition: TableDefinition, dialect: Dialect, keepsakes: Keepsakes) -> Iterator[Fault]:
    for index, column in enumerate(definition.columns):
        if column.native is not None and (column.id, column.native) not in keepsakes.natives:
            yield from _native_faults(column.native, column.type, ("columns", index, "native"), dialect)
        kept = column.default.kept if column.default else None
        if kept is not None and (column.id, kept) not in keepsakes.defaults:
            reason = "a default that is kept is one that this column has already"
            yield Fault(("columns", index, "default", "kept"), "default_not_kept", reason)


def _native_faults(native: str, kind: ColumnType, loc: Loc, dialect: Dialect) -> Iterator[Fault]:
    name = dialect.native_name(native)
    if name is None:
        yield Fault(loc, "native_unknown", f"this can't be the name of a type in {dialect.name}")
    elif name != dialect.type_name(kind) and (held := dialect.type_of(name)) not in {None, kind}:
        yield Fault(loc, "native_unfit", f"{name} holds values of the type {held}: give that as the type")


def _default_faults(column: ColumnDefinition, loc: Loc) -> Iterator[Fault]:
    default = column.default
    if default is None:
        return
    if len(default.model_dump(exclude_none=True)) != 1:
        yield Fault(loc, "default_ambiguous", "give either a literal or a function")
    elif default.function is not None and column.type.kind not in _CLOCK_KINDS:
        yield Fault((*loc, "function"), "default_unfit", f"{default.function} has no value for {column.type}")
    elif default.literal is not None:
        try:
            canonical(column.type, default.literal)
        except LiteralUnfit as unfit:
            yield Fault((*loc, "literal"), "default_unfit", f"{column.type} needs {unfit}")


def _primary_key_faults(definition: TableDefinition) -> Iterator[Fault]:
    yield from _key_column_faults(definition, definition.primary_key, ("primary_key",))
    for index, name in enumerate(definition.primary_key):
        column = definition.column(name)
        if column is not None and column.nullable:
            yield Fault(
                ("primary_key", index), "key_nullable", f"the column {name} of the primary key is nullable"
            )


def _key_faults(definition: TableDefinition, location: Location, dialect: Dialect) -> Iterator[Fault]:
    places: list[tuple[Loc, str]] = [(("physical_name",), location.name)]
    for kind, keys in (("unique_keys", definition.unique_keys), ("indexes", definition.indexes)):
        for index, key in enumerate(keys):
            yield from _one_key_faults(definition, key, (kind, index), dialect)
            places.append(((kind, index, "name"), key.name))
    yield from _collisions(places)


def _one_key_faults(
    definition: TableDefinition, key: KeyDefinition, loc: Loc, dialect: Dialect
) -> Iterator[Fault]:
    yield from _name_faults(key.name, (*loc, "name"), dialect)
    if not key.columns:
        yield Fault((*loc, "columns"), "key_empty", "a key has at least one column")
    yield from _key_column_faults(definition, key.columns, (*loc, "columns"))


def _key_column_faults(definition: TableDefinition, names: Sequence[str], loc: Loc) -> Iterator[Fault]:
    if len(names) > MAX_KEY_COLUMNS:
        yield Fault(loc, "key_too_long", f"a key has at most {MAX_KEY_COLUMNS} columns")
    for index, name in enumerate(names):
        if definition.column(name) is None:
            yield Fault((*loc, index), "column_unknown", f"there is no column {name!r}")
        elif name in names[:index]:
            yield Fault((*loc, index), "column_duplicate", f"the column {name!r} is in this key already")


def _name_faults(name: str, loc: Loc, dialect: Dialect) -> Iterator[Fault]:
    try:
        dialect.check_name(name, loc)
    except engine_errors.IdentifierInvalid as error:
        yield from error.all_faults()
        return
    # A column on its way to another type has a name of ours, and goes when a change was cut off.
    for prefix in (OWN_PREFIX,) if loc[0] == "columns" else dialect.reserved_prefixes:
        if name.casefold().startswith(prefix):
            yield Fault(loc, "identifier_reserved", f"names beginning with {prefix} are reserved")


def _collisions(places: Iterable[tuple[Loc, str]]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for loc, name in places:
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded not in seen:
            seen[folded] = name
        elif seen[folded] == name:
            yield Fault(loc, "identifier_duplicate", f"the name {name!r} is there already")
        else:
            yield Fault(
                loc,
                "identifier_collision",
                f"the name {name!r} differs from {seen[folded]!r} only in case or in how it is written",
            )

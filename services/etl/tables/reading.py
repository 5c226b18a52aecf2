"""A physical table read back as a definition. Pure.

What the database can't tell apart, such as two of our types that it holds in one of its own, is taken from
the definition that the table is compared with.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

from services.etl.columns import TEXT, ColumnType

from .definition import MAX_COMMENT, ColumnDefinition, Default, KeyDefinition, TableDefinition
from .dialects import OWN_PREFIX, Dialect, passing_id
from .literals import same
from .physical import Physical, PhysicalColumn, PhysicalIndex

_STRANGERS: Final = UUID("6f9c1c0e-5b1f-5d0e-9d7c-3a1e5d0c7b42")
"""The namespace of the ids of columns that no definition knows: the same name has the same id."""


def read(
    physical: Physical,
    dialect: Dialect,
    *,
    like: TableDefinition,
    known: Sequence[TableDefinition] = (),
    everything: bool = False,
) -> TableDefinition:
    """The definition that says what `physical` is.

    Columns get the ids that `known` have for their names, the first that has one, else those of `like`.
    Indexes that none of them knows by name, and that aren't unique, are left out unless `everything` is
    asked for: whoever made them may keep them. So are columns that a change of ours has left on its way.
    Names can be longer than a definition's may be, and comments are cut to what it has room for.
    """
    ids = _ids(physical, [*known, like])
    definitions = [like, *known]
    columns = [
        _column(column, ids[column.name], dialect, definitions)
        for column in physical.columns
        if column.name in ids
    ]
    names = {key.name for one in definitions for key in (*one.unique_keys, *one.indexes)}
    listed = [
        index
        for index in physical.indexes
        if index.valid and (everything or index.unique or index.name in names)
    ]
    return TableDefinition.model_construct(
        columns=columns,
        primary_key=list(physical.primary_key),
        unique_keys=[_key(index) for index in listed if index.unique],
        indexes=[_key(index) for index in listed if not index.unique],
        comment=physical.comment[:MAX_COMMENT],
    )


def physically_same(
    physical: Physical,
    dialect: Dialect,
    before: ColumnDefinition,
    column: ColumnDefinition,
    *,
    after: TableDefinition,
) -> bool:
    """Whether the physical column that was read as `before` has the type that `column` of `after` wants."""
    found = next(one for one in physical.columns if one.name == before.name)
    return found.spelled == dialect.column_type(column, after)


def _ids(physical: Physical, definitions: Iterable[TableDefinition]) -> Mapping[str, UUID]:
    ids = {name: uuid for name in _names(physical) if (uuid := passing_id(name)) is not None}
    for definition in definitions:
        taken = set(ids.values())
        for column in definition.columns:
            if column.id not in taken and column.name in _names(physical):
                ids.setdefault(column.name, column.id)
    strangers = (name for name in _names(physical) if not name.startswith(OWN_PREFIX))
    return {name: uuid5(_STRANGERS, name) for name in strangers} | ids


def _names(physical: Physical) -> list[str]:
    return [column.name for column in physical.columns]


def _column(
    found: PhysicalColumn, identity: UUID, dialect: Dialect, definitions: Iterable[TableDefinition]
) -> ColumnDefinition:
    twins = [
        (column, definition)
        for definition in definitions
        for column in definition.columns
        if column.id == identity
    ]
    kind, native = _type(found, dialect, twins)
    default = Default(kept=found.kept) if found.kept else dialect.default_of(found, kind)
    for twin, _ in twins:
        if default is not None and twin.default is not None and _same(kind, default, twin.default):
            default = twin.default
            break
    return ColumnDefinition.model_construct(
        id=identity,
        name=found.name,
        type=kind,
        native=native,
        nullable=found.nullable,
        default=default,
        comment=found.comment[:MAX_COMMENT],
    )


def _type(
    found: PhysicalColumn, dialect: Dialect, twins: Iterable[tuple[ColumnDefinition, TableDefinition]]
) -> tuple[ColumnType, str | None]:
    for twin, definition in twins:
        if dialect.column_type(twin, definition) == found.spelled:
            return twin.type, twin.native
    kind = dialect.type_of(found.spelled)
    exact = kind is not None and dialect.type_name(kind) == found.spelled
    return kind or TEXT, None if exact else found.spelled


def _same(kind: ColumnType, one: Default, other: Default) -> bool:
    """Whether both say the same value: a database spells it in its own way."""
    if one.literal is None or other.literal is None:
        return one == other
    return same(kind, one.literal, other.literal)


def _key(index: PhysicalIndex) -> KeyDefinition:
    return KeyDefinition.model_construct(name=index.name, columns=list(index.columns))

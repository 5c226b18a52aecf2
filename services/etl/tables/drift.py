"""How a physical table differs from what was published, in sentences.

Comments and further indexes don't count: they change nothing for a run.
"""

from collections.abc import Iterator

from .definition import TableDefinition
from .dialects import Dialect
from .physical import Physical, PhysicalColumn


def against_snapshot(found: Physical, published: Physical) -> list[str]:
    """How it differs from what was read right after the publish."""
    return _not_a_table(found) or [
        *_columns(found, {column.name: _bare(column) for column in published.columns}),
        *_keys(found, published.primary_key, [(i.columns, i.unique) for i in published.indexes]),
    ]


def against_definition(found: Physical, definition: TableDefinition, dialect: Dialect) -> list[str]:
    """How it differs from a definition; defaults are only compared by whether there is one."""
    expected = {
        column.name: PhysicalColumn(
            column.name,
            dialect.column_type(column, definition),
            column.nullable,
            default=None if column.default is None else "",
        )
        for column in definition.columns
    }
    keys = [(tuple(key.columns), True) for key in definition.unique_keys]
    keys += [(tuple(key.columns), False) for key in definition.indexes]
    return _not_a_table(found) or [
        *_columns(_defaults_hidden(found), expected),
        *_keys(found, tuple(definition.primary_key), keys),
    ]


def _not_a_table(found: Physical) -> list[str]:
    return [] if found.kind == "table" else [f"it is a {found.kind}"]


def _columns(found: Physical, expected: dict[str, PhysicalColumn]) -> Iterator[str]:
    for column in found.columns:
        wanted = expected.pop(column.name, None)
        if wanted is None:
            yield f"the column {column.name!r} is new"
        elif _bare(column) != wanted:
            yield f"the column {column.name!r} is {_described(column)}, not {_described(wanted)}"
    for name in expected:
        yield f"the column {name!r} is missing"


def _keys(
    found: Physical, primary_key: tuple[str, ...], expected: list[tuple[tuple[str, ...], bool]]
) -> Iterator[str]:
    if found.primary_key != primary_key:
        yield f"the primary key is ({', '.join(found.primary_key)}), not ({', '.join(primary_key)})"
    there = {(index.columns, index.unique) for index in found.indexes}
    for columns, unique in expected:
        if (columns, unique) not in there:
            yield f"the {'unique key' if unique else 'index'} over ({', '.join(columns)}) is missing"
    known = set(expected)
    for index in found.indexes:
        if index.unique and (index.columns, True) not in known:
            yield f"the unique key {index.name!r} is new"


def _bare(column: PhysicalColumn) -> PhysicalColumn:
    return PhysicalColumn(column.name, column.type, column.nullable, column.default, column.extra)


def _defaults_hidden(found: Physical) -> Physical:
    columns = tuple(
        PhysicalColumn(
            column.name,
            column.type,
            column.nullable,
            None if column.default is None else "",
            column.extra,
        )
        for column in found.columns
    )
    return Physical(found.kind, columns, found.primary_key, found.indexes, found.comment)


def _described(column: PhysicalColumn) -> str:
    parts = [column.type, "nullable" if column.nullable else "not null"]
    if column.default is not None:
        parts.append("with a default")
    return " ".join([*parts, column.extra]).strip()

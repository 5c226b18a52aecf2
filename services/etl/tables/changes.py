"""Which changes of a published table are possible. The others are refused, each with its place."""

from collections.abc import Iterator

from shared.errors import Fault

from .definition import ColumnDefinition, TableDefinition
from .dialects import Dialect
from .errors import PublishedTableFixed


def require_possible(before: TableDefinition, after: TableDefinition, dialect: Dialect) -> None:
    """Raise PublishedTableFixed with every place of `after` that a published table can't follow."""
    faults = list(impossible(before, after, dialect))
    if faults:
        raise PublishedTableFixed(faults=faults)


def impossible(before: TableDefinition, after: TableDefinition, dialect: Dialect) -> Iterator[Fault]:
    """The places that a published table can't follow, below the body."""
    known = {column.id: column for column in before.columns}
    for index, column in enumerate(after.columns):
        if column.id in known:
            yield from _changed(known.pop(column.id), column, index)
        else:
            yield from _added(column, index, dialect)
    for column in known.values():
        yield Fault(("columns",), "column_removed", f"the published column {column.name!r} can't be removed")
    for name in ("primary_key", "unique_keys", "indexes"):
        if getattr(before, name) != getattr(after, name):
            yield Fault((name,), "key_changed", "keys and indexes of a published table stay as they are")


def _changed(before: ColumnDefinition, after: ColumnDefinition, index: int) -> Iterator[Fault]:
    for name in ("name", "type", "nullable", "default"):
        if getattr(before, name) != getattr(after, name):
            yield Fault(
                ("columns", index, name),
                "column_changed",
                f"the published column {before.name!r} keeps its {name}; its comment can change",
            )


def _added(column: ColumnDefinition, index: int, dialect: Dialect) -> Iterator[Fault]:
    if not column.nullable and column.default is None:
        yield Fault(
            ("columns", index, "nullable"),
            "column_needs_value",
            "a column that is added to a published table is nullable or has a default",
        )
    uses_function = column.default is not None and column.default.function is not None
    if uses_function and not dialect.capabilities.adds_columns_with_functions:
        yield Fault(
            ("columns", index, "default", "function"),
            "default_unfit",
            f"{dialect.name} can't add a column whose default is a function",
        )

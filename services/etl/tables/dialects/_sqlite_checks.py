"""What the rows of an SQLite table must hold before it is changed."""

# ruff: noqa: S608 - quoted identifiers and literals only

from collections.abc import Callable, Iterator, Sequence

from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.difference import ColumnPair

from ._sqlite_casts import cast, fits
from .work import Check, Sql, TableChange

_SHOWN = 200
"""Characters of a sample."""

Quote = Callable[[str], str]


def checks(change: TableChange, quote: Quote) -> Iterator[Check]:
    """Values that don't cast, NULLs, rows without a value, and duplicates, in this order."""
    table = quote(change.found.name)
    for pair in change.difference.kept:
        yield from _casts(pair, table, quote(pair.before.name))
        yield from _nulls(pair, table, quote(pair.before.name))
    for column in change.difference.added:
        if not column.nullable and column.default is None:
            place = ("columns", change.after.columns.index(column), "default")
            message = "{rows} rows would have no value in the new column"
            yield Check(place, "value_missing", message, Sql(f"SELECT count(*) FROM {table}"))
    yield from _duplicates(change, table, quote)


def _casts(pair: ColumnPair, table: str, column: str) -> Iterator[Check]:
    if pair.retyped:
        yield Check(
            ("columns", pair.place, "type"),
            "value_unfit",
            f"{{rows}} rows have a value that isn't one of {pair.after.type}",
            *_found(table, f"{column} IS NOT NULL AND NOT ({_fits(pair, column)})", [column]),
        )


def _nulls(pair: ColumnPair, table: str, column: str) -> Iterator[Check]:
    if pair.renulled and not pair.after.nullable:
        count = Sql(f"SELECT count(*) FROM {table} WHERE {column} IS NULL")
        message = "{rows} rows have no value in the column"
        yield Check(("columns", pair.place, "nullable"), "value_missing", message, count)


def _duplicates(change: TableChange, table: str, quote: Quote) -> Iterator[Check]:
    """For every key that is new or has values that become others: texts may be equal as numbers."""
    new = {(key.kind, key.columns) for key in change.difference.keys_added}
    retyped = {pair.after.name for pair in change.difference.kept if pair.retyped}
    primary = change.after.primary_key
    if primary and (("primary", tuple(primary)) in new or retyped & set(primary)):
        yield from _duplicate(change, table, primary, quote, loc=("primary_key",))
    for place, key in enumerate(change.after.unique_keys):
        if ("unique", tuple(key.columns)) in new or retyped & set(key.columns):
            yield from _duplicate(change, table, key.columns, quote, loc=("unique_keys", place))


def _duplicate(
    change: TableChange, table: str, names: Sequence[str], quote: Quote, *, loc: tuple[str | int, ...]
) -> Iterator[Check]:
    added = {column.name: column for column in change.difference.added}
    if any(_is_empty(added[name]) for name in names if name in added):
        return
    pairs = {pair.after.name: pair for pair in change.difference.kept}
    held = [pairs[name] for name in names if name in pairs]
    columns = [quote(pair.before.name) for pair in held]
    # A column that is added has the same value in all rows, so it tells none of them apart.
    values = [_value(pair, column) for pair, column in zip(held, columns, strict=True)]
    message = "{rows} rows have the key of another row"
    if not values:
        yield Check(loc, "key_duplicate", message, Sql(f"SELECT max(count(*) - 1, 0) FROM {table}"))
        return
    known = " AND ".join(f"{value} IS NOT NULL" for value in values)
    grouped = f"FROM {table} WHERE {known} GROUP BY {', '.join(values)} HAVING count(*) > 1"
    shown = " || ', ' || ".join(_shown(column) for column in columns)
    yield Check(
        loc,
        "key_duplicate",
        message,
        Sql(f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) - 1 AS n {grouped})"),
        Sql(f"SELECT {shown} {grouped} LIMIT 5"),
    )


def _is_empty(column: ColumnDefinition) -> bool:
    return column.default is None


def _value(pair: ColumnPair, column: str) -> str:
    if not pair.retyped:
        return column
    return f"CASE WHEN {_fits(pair, column)} THEN {cast(column, pair.before.type, pair.after.type)} END"


def _fits(pair: ColumnPair, column: str) -> str:
    return fits(column, pair.before.type, pair.after.type)


def _found(table: str, condition: str, columns: Sequence[str]) -> tuple[Sql, Sql]:
    shown = ", ".join(_shown(column) for column in columns)
    return (
        Sql(f"SELECT count(*) FROM {table} WHERE {condition}"),
        Sql(f"SELECT DISTINCT {shown} FROM {table} WHERE {condition} LIMIT 5"),
    )


def _shown(column: str) -> str:
    start = f"substr({column}, 1, {_SHOWN})"
    return f"CASE typeof({column}) WHEN 'blob' THEN hex({start}) ELSE {start} END"

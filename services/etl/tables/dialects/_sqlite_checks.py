"""What the rows of an SQLite table must hold before it is changed."""

# ruff: noqa: S608 - quoted identifiers and literals only

from collections.abc import Callable, Iterator

from services.etl.tables.difference import ColumnPair, Key

from . import objections
from ._sqlite_casts import cast, fits
from .objections import SAMPLE_LENGTH, SAMPLES
from .work import Check, Sql, TableChange

Quote = Callable[[str], str]


def checks(change: TableChange, quote: Quote) -> Iterator[Check]:
    """Values that don't cast, NULLs, rows without a value, and duplicates, in this order."""
    table = quote(change.found.name)
    for pair in change.difference.kept:
        yield from _casts(pair, table, quote(pair.before.name))
        yield from _nulls(pair, table, quote(pair.before.name))
    for column in objections.added_without_value(change):
        yield objections.missing_in_new(change, column, Sql(f"SELECT count(*) FROM {table}"))
    for key in objections.doubtful_keys(change):
        yield from _duplicates(change, table, key, quote)


def _casts(pair: ColumnPair, table: str, column: str) -> Iterator[Check]:
    if pair.retyped:
        rows = f"FROM {table} WHERE {column} IS NOT NULL AND NOT ({_fits(pair, column)})"
        samples = Sql(f"SELECT DISTINCT {_shown(column)} {rows} LIMIT {SAMPLES}")
        yield objections.unfit(pair, Sql(f"SELECT count(*) {rows}"), samples)


def _nulls(pair: ColumnPair, table: str, column: str) -> Iterator[Check]:
    if pair.renulled and not pair.after.nullable:
        count = Sql(f"SELECT count(*) FROM {table} WHERE {column} IS NULL")
        yield objections.missing(pair, count)


def _duplicates(change: TableChange, table: str, key: Key, quote: Quote) -> Iterator[Check]:
    added = {column.name: column for column in change.difference.added}
    if any(added[name].default is None for name in key.columns if name in added):
        return
    pairs = {pair.after.name: pair for pair in change.difference.kept}
    held = [pairs[name] for name in key.columns if name in pairs]
    columns = [quote(pair.before.name) for pair in held]
    # A column that is added has the same value in all rows, so it tells none of them apart.
    values = [_value(pair, column) for pair, column in zip(held, columns, strict=True)]
    if not values:
        yield objections.duplicate(change, key, Sql(f"SELECT max(count(*) - 1, 0) FROM {table}"))
        return
    known = " AND ".join(f"{value} IS NOT NULL" for value in values)
    grouped = f"FROM {table} WHERE {known} GROUP BY {', '.join(values)} HAVING count(*) > 1"
    shown = " || ', ' || ".join(_shown(column) for column in columns)
    yield objections.duplicate(
        change,
        key,
        Sql(f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) - 1 AS n {grouped})"),
        Sql(f"SELECT {shown} {grouped} LIMIT {SAMPLES}"),
    )


def _value(pair: ColumnPair, column: str) -> str:
    if not pair.retyped:
        return column
    return f"CASE WHEN {_fits(pair, column)} THEN {cast(column, pair.before.type, pair.after.type)} END"


def _fits(pair: ColumnPair, column: str) -> str:
    return fits(column, pair.before.type, pair.after.type)


def _shown(column: str) -> str:
    start = f"substr({column}, 1, {SAMPLE_LENGTH})"
    return f"CASE typeof({column}) WHEN 'blob' THEN hex({start}) ELSE {start} END"

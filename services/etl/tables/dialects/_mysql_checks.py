"""What must hold in a table of MySQL or MariaDB before it is changed: rows that would be refused, or spoilt.

A table is named once in each query: a session that holds its lock can't read it under another name.
"""

# ruff: noqa: S608  names are quoted, and values are literals of ours

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.etl.tables.difference import ColumnPair, Key

from . import objections
from ._mysql_casts import Cast
from .objections import SAMPLE_LENGTH, SAMPLED_ROWS, SAMPLES
from .work import Check, Sql, TableChange


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one change; `table` is its name in SQL, with the columns as they are before it."""

    change: TableChange
    quote: Callable[[str], Sql]
    table: Sql
    cast_of: Callable[[ColumnPair, Sql], Cast]

    def all(self) -> list[Check]:
        """All of them, in the order of the definition."""
        return [*self._unfit(), *self._missing(), *self._duplicates()]

    def _unfit(self) -> Iterator[Check]:
        for pair in self.change.difference.kept:
            column = self.quote(pair.before.name)
            misfit = self.cast_of(pair, column).misfit if pair.retyped else None
            if misfit is None:
                continue
            rows = f"FROM {self.table} WHERE {column} IS NOT NULL AND ({misfit})"
            value = f"LEFT(CAST({column} AS char), {SAMPLE_LENGTH})"
            some = f"SELECT {value} AS value {rows} LIMIT {SAMPLED_ROWS}"
            yield objections.unfit(
                pair,
                Sql(f"SELECT COUNT(*) {rows}"),
                Sql(f"SELECT DISTINCT value FROM ({some}) AS sampled LIMIT {SAMPLES}"),
            )

    def _missing(self) -> Iterator[Check]:
        for pair in self.change.difference.kept:
            if pair.renulled and not pair.after.nullable:
                rows = f"FROM {self.table} WHERE {self.quote(pair.before.name)} IS NULL"
                yield objections.missing(pair, Sql(f"SELECT COUNT(*) {rows}"))
        for column in objections.added_without_value(self.change):
            count = Sql(f"SELECT COUNT(*) FROM {self.table}")
            yield objections.missing_in_new(self.change, column, count)

    def _duplicates(self) -> Iterator[Check]:
        for key in objections.doubtful_keys(self.change):
            casts = self._casts(key)
            if casts is None:
                continue
            groups, shown = self._groups(casts)
            yield objections.duplicate(
                self.change,
                key,
                Sql(f"SELECT COALESCE(SUM(n - 1), 0) FROM (SELECT COUNT(*) AS n {groups}) AS twins"),
                Sql(f"SELECT LEFT(CONCAT_WS(', ', {shown}), {SAMPLE_LENGTH}) {groups} LIMIT {SAMPLES}"),
            )

    def _casts(self, key: Key) -> list[Cast] | None:
        """What rows are compared by; None when they can't be equal, as a new column has no value.

        A new column that has one has the same in all rows.
        """
        pairs = {pair.after.name: pair for pair in self.change.difference.kept}
        casts = []
        for name in key.columns:
            pair = pairs.get(name)
            if pair is not None:
                column = self.quote(pair.before.name)
                casts.append(self.cast_of(pair, column) if pair.retyped else Cast(column))
                continue
            added = self.change.after.column(name)
            if added is None or added.default is None:
                return None
        return casts

    def _groups(self, casts: Sequence[Cast]) -> tuple[str, str]:
        """Rows that have the same values; those without one, or with one that is no such value, have none."""
        if not casts:
            return f"FROM {self.table} HAVING COUNT(*) > 1", "''"
        conditions = [f"{cast.value} IS NOT NULL" for cast in casts]
        conditions += [f"NOT ({cast.misfit})" for cast in casts if cast.misfit is not None]
        listed = ", ".join(cast.value for cast in casts)
        return (
            f"FROM {self.table} WHERE {' AND '.join(conditions)} GROUP BY {listed} HAVING COUNT(*) > 1",
            listed,
        )

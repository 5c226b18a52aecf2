"""Which rows of a table of PostgreSQL stand against a change, asked in SQL that never raises."""

from collections.abc import Iterator

from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.difference import Key
from shared.errors import Fault

from . import objections, uses
from ._postgresql_columns import cast_of, default_sql, is_kept
from .base import Dialect
from .objections import SAMPLE_LENGTH, SAMPLED_ROWS, SAMPLES
from .work import Check, Sql, TableChange

# ruff: noqa: S608 - all SQL here is of quoted identifiers, quoted literals and our own words


class Objections:
    """Checks over the table as it is now, under the names that it has now; places are of what is wanted."""

    def __init__(self, dialect: Dialect, change: TableChange) -> None:
        self._dialect = dialect
        self._change = change
        self._difference = change.difference
        self._table = dialect.at(change.found)

    def faults(self) -> Iterator[Fault]:
        """What can't be done whatever the rows are."""
        if self._difference.renamed and self._change.wanted.name in self._staying():
            reason = "an index of the table has this name; choose another one"
            yield Fault(("physical_name",), "name_taken", reason)
        yield from uses.faults(self._change)
        yield from self._taken()
        for pair in self._difference.kept:
            if is_kept(pair.after) and pair.redefaulted:
                reason = "what fills this column was found in the target and can't be made anew"
                yield Fault(("columns", pair.place, "default"), "default_kept", reason)
            elif pair.retyped and pair.after.default and pair.after.default.kept == "generated":
                reason = "the column is generated from others; it can't have another type"
                yield Fault(("columns", pair.place, "type"), "default_kept", reason)
            elif _numbers(pair.after) and pair.retyped and not pair.after.type.is_integer:
                reason = "the database numbers the column itself; only integers can be counted on"
                yield Fault(("columns", pair.place, "type"), "default_kept", reason)

    def _staying(self) -> set[str]:
        """The names of indexes that are there before and after."""
        physical = self._change.physical
        gone = {key.name for key in self._difference.keys_dropped}
        gone |= {before.name for before, _ in self._difference.keys_renamed}
        if any(key.kind == "primary" for key in self._difference.keys_dropped):
            gone.add(physical.primary_key_name)
        gone |= {index.name for index in physical.indexes if not index.valid}
        others = {use.what.removeprefix("the index ") for use in physical.uses}
        return {physical.primary_key_name, *(index.name for index in physical.indexes), *others} - gone

    def _taken(self) -> Iterator[Fault]:
        """Keys that are to have the name of another index of the table, which stays."""
        staying, after = self._staying(), self._change.after
        new = {key.name for key in self._difference.keys_added}
        new |= {key.name for _, key in self._difference.keys_renamed}
        for kind, keys in (("unique_keys", after.unique_keys), ("indexes", after.indexes)):
            for place, key in enumerate(keys):
                if key.name in new & staying:
                    reason = "another index of the table has this name; choose another one"
                    yield Fault((kind, place, "name"), "name_taken", reason)

    def checks(self) -> Iterator[Check]:
        """What the rows must be like."""
        yield from self._missing()
        yield from self._unfit()
        yield from self._duplicate()

    def _missing(self) -> Iterator[Check]:
        for pair in self._difference.kept:
            if pair.renulled and not pair.after.nullable:
                condition = f"{self._dialect.quote(pair.before.name)} IS NULL"
                count = Sql(f"SELECT count(*) FROM {self._table} WHERE {condition}")
                yield objections.missing(pair, count)
        for column in objections.added_without_value(self._change):
            count = Sql(f"SELECT count(*) FROM {self._table}")
            yield objections.missing_in_new(self._change, column, count)

    def _unfit(self) -> Iterator[Check]:
        for pair in self._difference.kept:
            column = self._dialect.quote(pair.before.name)
            misfit = cast_of(pair, column).misfit if pair.retyped else None
            if misfit is None:
                continue
            shown = f"pg_catalog.left({column}::text, {SAMPLE_LENGTH})"
            yield objections.unfit(
                pair,
                Sql(f"SELECT count(*) FROM {self._table} WHERE {misfit}"),
                Sql(
                    f"SELECT DISTINCT value FROM (SELECT {shown} AS value FROM {self._table}"
                    f" WHERE {misfit} LIMIT {SAMPLED_ROWS}) AS sampled LIMIT {SAMPLES}"
                ),
            )

    def _duplicate(self) -> Iterator[Check]:
        for key in objections.doubtful_keys(self._change):
            groups = self._groups(key)
            shown = ", ".join(f"{name}::text" for name in _numbered(key))
            yield objections.duplicate(
                self._change,
                key,
                Sql(f"SELECT coalesce(sum(rows - 1), 0)::bigint FROM ({groups}) AS duplicates"),
                Sql(
                    f"SELECT pg_catalog.left(pg_catalog.concat_ws(', ', {shown}), {SAMPLE_LENGTH})"
                    f" FROM ({groups} LIMIT {SAMPLES}) AS duplicates"
                ),
            )

    def _groups(self, key: Key) -> Sql:
        """The keys that more than one row would have, with the number of rows."""
        names = _numbered(key)
        values = ", ".join(
            f"{self._future(column)} AS {name}" for column, name in zip(key.columns, names, strict=True)
        )
        present = " AND ".join(f"{name} IS NOT NULL" for name in names)
        listed = ", ".join(names)
        return Sql(
            f"SELECT {listed}, count(*) AS rows FROM (SELECT {values} FROM {self._table} OFFSET 0) AS keys"
            f" WHERE {present} GROUP BY {listed} HAVING count(*) > 1"
        )

    def _future(self, name: str) -> str:
        """What the rows will have in a column of the definition that is wanted; NULL where it is unfit."""
        after = self._column(name)
        pair = next((one for one in self._difference.kept if one.after.id == after.id), None)
        if pair is None:
            default = default_sql(self._dialect, after, self._change.after)
            return default or f"NULL::{self._dialect.column_type(after, self._change.after)}"
        column = self._dialect.quote(pair.before.name)
        if not pair.retyped:
            return column
        cast = cast_of(pair, column)
        wanted = self._dialect.column_type(after, self._change.after)
        if cast.misfit is None:
            return f"({cast.using})::{wanted}"
        return f"CASE WHEN {cast.misfit} THEN NULL ELSE ({cast.using})::{wanted} END"

    def _column(self, name: str) -> ColumnDefinition:
        column = self._change.after.column(name)
        assert column is not None, "keys are over columns of their own table"
        return column


def _numbers(column: ColumnDefinition) -> bool:
    return column.default is not None and column.default.kept == "identity"


def _numbered(key: Key) -> list[str]:
    return [f"k{number}" for number in range(len(key.columns))]

"""The statements that make one table of PostgreSQL into another, in their order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from services.etl.tables.definition import KeyDefinition
from services.etl.tables.difference import ColumnPair, Key

from ._postgresql_columns import cast_of, default_sql, drop_clause, drops_default, rewrites, sets_default
from .base import OWN_PREFIX, Dialect, passing_name
from .work import Sql, Statement, TableChange

_PASSING_RELATION: Final = f"{OWN_PREFIX}_passing"


class Alteration:
    """Keys that go, names, columns that go, types, rules, columns that come, comments, keys that come.

    All of it is one transaction but for indexes that are to be made CONCURRENTLY, which come last.
    """

    def __init__(self, dialect: Dialect, change: TableChange) -> None:
        self._dialect = dialect
        self._change = change
        self._difference = change.difference
        self._table = dialect.at(change.wanted)

    def statements(self) -> Iterator[Statement]:
        """All of them; none when there is nothing to do."""
        yield from self._dropped_keys()
        yield from self._relation_names()
        yield from self._dropped_columns()
        yield from self._column_names()
        yield from self._dropped_rules()
        yield from self._types()
        yield from self._rules()
        yield from self._added_columns()
        yield from self._comments()
        yield from self._added_keys()

    def _alter(self, clauses: Sequence[str]) -> Sql:
        return Sql(f"ALTER TABLE {self._table}\n  " + ",\n  ".join(clauses))

    def _column(self, name: str) -> str:
        return f"ALTER COLUMN {self._dialect.quote(name)}"

    def _dropped_keys(self) -> Iterator[Statement]:
        found, physical = self._change.found, self._change.physical
        added = {key.name for key in self._difference.keys_added}
        for index in physical.indexes:
            if not index.valid and index.name in added:
                sql = Sql(f"DROP INDEX {self._dialect.at(found, index.name)}")
                yield Statement(sql, "safe", f"The index {index.name} was never finished.")
        constraints = {index.name for index in physical.indexes if index.constraint}
        for key in self._difference.keys_dropped:
            name = physical.primary_key_name if key.kind == "primary" else key.name
            if key.kind == "primary" or name in constraints:
                sql = Sql(
                    f"ALTER TABLE {self._dialect.at(found)} DROP CONSTRAINT {self._dialect.quote(name)}"
                )
            else:
                sql = Sql(f"DROP INDEX {self._dialect.at(found, name)}")
            yield Statement(sql, "safe", f"The {key} goes.")

    def _relation_names(self) -> Iterator[Statement]:
        """The table and its indexes have one space of names."""
        found, wanted = self._change.found, self._change.wanted
        renames = {before.name: after.name for before, after in self._difference.keys_renamed}
        if found.name != wanted.name:
            renames[found.name] = wanted.name
        passing = {name: f"{_PASSING_RELATION}_{number}" for number, name in enumerate(renames)}
        table = found.name
        for before, after in in_order(renames, passing):
            kind = "TABLE" if before == table else "INDEX"
            table = after if kind == "TABLE" else table
            sql = f"ALTER {kind} {self._dialect.at(found, before)} RENAME TO {self._dialect.quote(after)}"
            yield Statement(Sql(sql), "safe", f"The {kind.lower()} {before} is called {after}.")

    def _dropped_columns(self) -> Iterator[Statement]:
        names = [column.name for column in self._difference.dropped]
        if names:
            sql = self._alter([f"DROP COLUMN {self._dialect.quote(name)}" for name in names])
            yield Statement(sql, "destroys", f"{_columns(names)} and all values in it go.")

    def _column_names(self) -> Iterator[Statement]:
        pairs = {pair.before.name: pair for pair in self._difference.kept if pair.renamed}
        renames = {before: pair.after.name for before, pair in pairs.items()}
        passing = {before: passing_name(pair.after.id) for before, pair in pairs.items()}
        for before, after in in_order(renames, passing):
            names = f"{self._dialect.quote(before)} TO {self._dialect.quote(after)}"
            sql = Sql(f"ALTER TABLE {self._table} RENAME COLUMN {names}")
            yield Statement(sql, "safe", f"The column {before} is called {after}.")

    def _dropped_rules(self) -> Iterator[Statement]:
        clauses = [
            f"{self._column(pair.after.name)} {drop_clause(pair.before)}"
            for pair in self._difference.kept
            if drops_default(pair)
        ]
        clauses += [
            f"{self._column(pair.after.name)} DROP NOT NULL"
            for pair in self._difference.kept
            if pair.renulled and pair.after.nullable
        ]
        if clauses:
            yield Statement(self._alter(clauses), "safe", "Defaults and NOT NULL go.")

    def _types(self) -> Iterator[Statement]:
        """In two statements at most: one that only writes the catalog, one that writes the rows once."""
        retyped = [pair for pair in self._difference.kept if pair.retyped]
        kept = [pair for pair in retyped if not rewrites(pair)]
        rewritten = [pair for pair in retyped if rewrites(pair)]
        if kept:
            reason = f"{_columns([pair.after.name for pair in kept])} gets a type of the same bytes."
            sql = self._alter([self._retyped(pair) for pair in kept])
            if self._indexed(kept):
                yield Statement(sql, "locks", f"{reason} Its indexes are made anew.", "all", "scan")
            else:
                yield Statement(sql, "safe", reason)
        if rewritten:
            reason = f"{_columns([pair.after.name for pair in rewritten])} gets another type."
            sql = self._alter([self._retyped(pair) for pair in rewritten])
            yield Statement(sql, "rewrites", reason, "all", "rewrite")

    def _indexed(self, pairs: Sequence[ColumnPair]) -> bool:
        """Whether an index of another kind of values has to be made: texts and numbers stay what they are."""
        names = {
            pair.before.name
            for pair in pairs
            if pair.before.type.kind in {"timestamp", "timestamptz"} or pair.before.native is not None
        }
        physical = self._change.physical
        indexes = [index.columns for index in physical.indexes] + [use.columns for use in physical.uses]
        return any(names & set(columns) for columns in [*indexes, physical.primary_key])

    def _retyped(self, pair: ColumnPair) -> str:
        cast = cast_of(pair, self._dialect.quote(pair.after.name))
        using = "" if cast.direct else f" USING {cast.using}"
        wanted = self._dialect.column_type(pair.after, self._change.after)
        collated = f" COLLATE {self._collation(pair)}" if self._collation(pair) else ""
        return f"{self._column(pair.after.name)} TYPE {wanted}{collated}{using}"

    def _collation(self, pair: ColumnPair) -> str:
        """The collation that others have given to a text, which another type would take away."""
        if pair.after.native is not None or not pair.after.type.is_text:
            return ""
        return next(one.collation for one in self._change.physical.columns if one.name == pair.before.name)

    def _rules(self) -> Iterator[Statement]:
        required = [pair.after.name for pair in self._difference.kept if pair.renulled]
        required = [name for name in required if name in self._required_names()]
        if required:
            sql = self._alter([f"{self._column(name)} SET NOT NULL" for name in required])
            yield Statement(sql, "locks", f"{_columns(required)} must have values.", "all", "scan")
        defaults = [pair.after for pair in self._difference.kept if sets_default(pair)]
        if defaults:
            clauses = [
                f"{self._column(column.name)} SET DEFAULT"
                f" {default_sql(self._dialect, column, self._change.after)}"
                for column in defaults
            ]
            yield Statement(self._alter(clauses), "safe", "Defaults are set; values stay as they are.")

    def _required_names(self) -> set[str]:
        return {column.name for column in self._change.after.columns if not column.nullable}

    def _added_columns(self) -> Iterator[Statement]:
        """With constant defaults PostgreSQL only notes them in the catalog (manual, ALTER TABLE, notes)."""
        added = self._difference.added
        if added:
            clauses = [f"ADD COLUMN {self._dialect.column(one, self._change.after)}" for one in added]
            names = _columns([column.name for column in added])
            yield Statement(self._alter(clauses), "safe", f"{names} is new.")

    def _comments(self) -> Iterator[Statement]:
        gone = {column.id for column in self._difference.dropped}
        kept = [column for column in self._change.before.columns if column.id not in gone]
        before = self._change.before.model_copy(update={"columns": kept})
        yield from self._dialect.comment_statements(self._change.wanted, self._change.after, before)

    def _added_keys(self) -> Iterator[Statement]:
        keys = sorted(
            self._difference.keys_added, key=lambda key: ("primary", "unique", "index").index(key.kind)
        )
        beside = [key for key in keys if self._change.concurrently and key.kind != "primary"]
        for key in keys:
            if key not in beside:
                yield self._added(key)
        for key in beside:
            yield from self._added_beside(key)

    def _added(self, key: Key) -> Statement:
        listed = self._dialect.listed(key.columns)
        if key.kind == "index":
            made = self._dialect.index(self._change.wanted, _definition(key), unique=False)
            return Statement(made.sql, "locks", f"The {key} is new.", "all", "scan")
        named = "" if key.kind == "primary" else f"CONSTRAINT {self._dialect.quote(key.name)} "
        kind = "PRIMARY KEY" if key.kind == "primary" else "UNIQUE"
        sql = self._alter([f"ADD {named}{kind} ({listed})"])
        return Statement(sql, "locks", f"The {key} is new.", "all", "scan")

    def _added_beside(self, key: Key) -> Iterator[Statement]:
        """While others write (manual, CREATE INDEX, "Building Indexes Concurrently")."""
        name = self._dialect.quote(key.name)
        kind = "UNIQUE INDEX" if key.kind == "unique" else "INDEX"
        sql = Sql(f"CREATE {kind} CONCURRENTLY {name} ON {self._table} ({self._dialect.listed(key.columns)})")
        yield Statement(sql, "safe", f"The {key} is new.", "none", "scan", alone=True)
        if key.kind == "unique":
            sql = self._alter([f"ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"])
            yield Statement(sql, "safe", f"The index becomes the {key}.")


def in_order(renames: Mapping[str, str], passing: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Renames in an order in which no name is taken; a cycle goes through the passing name of one of it."""
    left = dict(renames)
    while left:
        free = next((name for name, wanted in left.items() if wanted not in left), None)
        if free is not None:
            yield free, left.pop(free)
            continue
        name = next(iter(left))
        yield name, passing[name]
        left[passing[name]] = left.pop(name)


def _definition(key: Key) -> KeyDefinition:
    return KeyDefinition(name=key.name, columns=list(key.columns))


def _columns(names: Sequence[str]) -> str:
    return f"The column {names[0]}" if len(names) == 1 else f"Each of the columns {', '.join(names)}"

"""A table of SQLite that is made anew beside itself, as "Making Other Kinds Of Table Schema Changes" of
SQLite's "ALTER TABLE" has it: what ALTER TABLE can't change, and all that hangs on the table comes back.

The new table has the old names: renames follow, by ALTER TABLE, which carries them into indexes, triggers,
views and foreign keys.
"""

# ruff: noqa: S608 - quoted identifiers and literals only

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.difference import ColumnPair

from . import _sqlite_defaults as defaults
from ._sqlite_casts import cast
from ._sqlite_declaration import Constraint, Declaration, DeclaredColumn, Token, folded, tokens_of
from .base import OWN_PREFIX, Dialect, passing_name
from .work import Risk, Sql, Statement, TableChange

_SEQUENCE = "sqlite_sequence"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The statements that make the table anew with the names that it has now."""

    change: TableChange
    declaration: Declaration
    dialect: Dialect

    def statements(self) -> Iterator[Statement]:
        """Make, copy, put in place, and bring back what hung on the old table."""
        table, new = self._quoted(self.change.found.name), self._quoted(self._new_name)
        lines = ",\n  ".join([*self._columns(), *self._constraints()])
        options = f" {self.declaration.options}" if self.declaration.options else ""
        made = Sql(f"CREATE TABLE {new} (\n  {lines}\n){options}")
        yield Statement(made, "safe", "SQLite can't change this in place: the table is made anew.")
        yield self._copy(table, new)
        if self.declaration.numbers_rows:
            yield from self._sequence()
        reason = "Views, triggers and foreign keys go on meaning the table by its name."
        yield Statement(Sql("PRAGMA legacy_alter_table = ON"), "safe", reason, "none")
        yield Statement(Sql(f"DROP TABLE {table}"), "safe", "Its rows are in the new table.")
        yield Statement(Sql(f"ALTER TABLE {new} RENAME TO {table}"), "safe", "The new table takes its place.")
        yield Statement(Sql("PRAGMA legacy_alter_table = OFF"), "safe", "As it was.", "none")
        for sql in self._beside():
            if index_name(sql) is None:
                yield Statement(Sql(sql), "safe", "The trigger went with the old table.")
            else:
                yield Statement(Sql(sql), "locks", "The index went with the old table.", "writes", "scan")

    @property
    def made_names(self) -> Mapping[str, str]:
        """The names of all columns after the rebuild, by those that they are to have."""
        kept = {pair.after.name: pair.before.name for pair in self.change.difference.kept}
        taken = {folded(name) for name in kept.values()}
        return kept | {
            column.name: passing_name(column.id) if folded(column.name) in taken else column.name
            for column in self.change.difference.added
        }

    @property
    def _new_name(self) -> str:
        mark = hashlib.sha256(self.change.found.name.encode()).hexdigest()[:8]
        return f"{OWN_PREFIX}_new_{mark}"

    def _copy(self, table: str, new: str) -> Statement:
        pairs = [pair for pair in self.change.difference.kept if not self._is_generated(pair.before)]
        names = ", ".join(self._quoted(pair.before.name) for pair in pairs)
        values = ", ".join(self._value(pair) for pair in pairs)
        gone = ", ".join(column.name for column in self.change.difference.dropped)
        if not pairs:
            names, values = self._without_columns()
        if (number := self._row_number) is not None:
            names, values = f"{number}, {names}", f"{number}, {values}"
        source = f"SELECT {values} FROM {table} NOT INDEXED"
        reason = f"The rows are copied without {gone}." if gone else "The rows are copied."
        risk: Risk = "destroys" if gone else "rewrites"
        return Statement(Sql(f"INSERT INTO {new} ({names}) {source}"), risk, reason, "writes", "rewrite")

    @property
    def _row_number(self) -> str | None:
        """The name of the rows' numbers, which others may refer to, such as an index of words (FTS5, 4.4.3).

        None where there are none, where they are the primary key, or where columns have all of their names.
        """
        after = self.change.after
        key = after.column(after.primary_key[0]) if len(after.primary_key) == 1 else None
        is_key = key is not None and self.dialect.column_type(key, after).upper() == "INTEGER"
        if is_key or "ROWID" in self.declaration.options.upper():
            return None
        taken = {folded(column.name) for column in self.change.physical.columns}
        taken |= {folded(column.name) for column in after.columns}
        return next((name for name in ("rowid", "oid", "_rowid_") if name not in taken), None)

    def _without_columns(self) -> tuple[str, str]:
        """Every row comes along, even if none of its values does."""
        added = self.change.difference.added
        if not added:
            return "", ""
        column = added[0]
        name = self._quoted(self.made_names[column.name])
        return name, defaults.spelled(column.type, column.default) if column.default else "NULL"

    def _sequence(self) -> Iterator[Statement]:
        """The number that AUTOINCREMENT goes on from: rows that are gone may have had higher ones."""
        new, old = (
            f"'{name.replace(chr(39), chr(39) * 2)}'" for name in (self._new_name, self.change.found.name)
        )
        forgotten = Sql(f"DELETE FROM {_SEQUENCE} WHERE name = {new}")
        kept = Sql(
            f"INSERT INTO {_SEQUENCE} (name, seq) SELECT {new}, seq FROM {_SEQUENCE} WHERE name = {old}"
        )
        for sql in (forgotten, kept):
            yield Statement(sql, "safe", "New rows go on from the same number.")

    def _beside(self) -> Iterator[str]:
        keys = (
            *self.change.difference.keys_dropped,
            *(old for old, _ in self.change.difference.keys_renamed),
        )
        gone = {folded(key.name) for key in keys}
        for sql in self.change.physical.beside:
            if folded(index_name(sql) or "") not in gone:
                yield sql

    def _columns(self) -> Iterator[str]:
        pairs = {folded(pair.before.name): pair for pair in self.change.difference.kept}
        for column in self.declaration.columns:
            pair = pairs.get(folded(column.name))
            if pair is not None:
                yield self._spelled(self._altered(column, pair))
        for added in self.change.difference.added:
            made = added.model_copy(update={"name": self.made_names[added.name]})
            yield self.dialect.column(made, self.change.after)

    def _altered(self, column: DeclaredColumn, pair: ColumnPair) -> DeclaredColumn:
        """The declaration with what changes; the rest of it, such as a check or collation, stays."""
        after = pair.after
        if self._primary_goes:
            column = column.without("PRIMARY")
        if (folded(column.name),) in self._uniques_gone:
            column = column.without("UNIQUE")
        if pair.retyped:
            column = replace(column, type=self.dialect.column_type(after, self.change.after))
        if pair.redefaulted or (pair.retyped and after.default and after.default.kept is None):
            default = [f"DEFAULT {defaults.spelled(after.type, after.default)}"] if after.default else []
            column = _with(column.without("DEFAULT"), "DEFAULT", default)
        if after.nullable:
            return column.without("NOT")
        return column if column.only("NOT") else _with(column.without("NULL"), "NOT", ["NOT NULL"])

    def _constraints(self) -> Iterator[str]:
        for constraint in self.declaration.constraints:
            goes = constraint.kind == "PRIMARY" and self._primary_goes
            names = tuple(folded(name) for name in constraint.columns)
            if not goes and not (constraint.kind == "UNIQUE" and names in self._uniques_gone):
                yield str(constraint)
        if self._primary_goes and self.change.after.primary_key:
            primary = (self._quoted(self.made_names[name]) for name in self.change.after.primary_key)
            yield f"PRIMARY KEY ({', '.join(primary)})"

    @property
    def _primary_goes(self) -> bool:
        return primary_changes(self.change)

    @property
    def _uniques_gone(self) -> set[tuple[str, ...]]:
        """The columns of the unique constraints that go; an index of the same columns isn't meant."""
        return {tuple(folded(name) for name in columns) for columns in constraints_gone(self.change)}

    def _value(self, pair: ColumnPair) -> str:
        column = self._quoted(pair.before.name)
        return cast(column, pair.before.type, pair.after.type) if pair.retyped else column

    def _spelled(self, column: DeclaredColumn) -> str:
        parts = [self._quoted(column.name), column.type, *(str(one) for one in column.constraints)]
        return " ".join(part for part in parts if part)

    def _is_generated(self, column: ColumnDefinition) -> bool:
        return any(
            one.name == column.name and one.extra == "generated" for one in self.change.physical.columns
        )

    def _quoted(self, name: str) -> str:
        return self.dialect.quote(name)


def primary_changes(change: TableChange) -> bool:
    """Whether the primary key is another one."""
    keys = (*change.difference.keys_added, *change.difference.keys_dropped)
    return any(key.kind == "primary" for key in keys)


def constraints_gone(change: TableChange) -> Sequence[tuple[str, ...]]:
    """The columns of those unique keys that go, or get another name, and are constraints of the table."""
    keys = (*change.difference.keys_dropped, *(old for old, _ in change.difference.keys_renamed))
    gone = {key.name for key in keys if key.kind == "unique"}
    return [index.columns for index in change.physical.indexes if index.constraint and index.name in gone]


def index_name(sql: str) -> str | None:
    """The name in a CREATE INDEX statement; None for a trigger."""
    tokens = tokens_of(sql)
    place = next((i for i, token in enumerate(tokens) if token.upper in {"INDEX", "TRIGGER"}), None)
    return tokens[place + 1].name if place is not None and tokens[place].upper == "INDEX" else None


def _with(column: DeclaredColumn, kind: str, texts: Sequence[str]) -> DeclaredColumn:
    made = tuple(Constraint(kind, (Token(text, "mark"),)) for text in texts)
    return replace(column, constraints=(*column.constraints, *made))

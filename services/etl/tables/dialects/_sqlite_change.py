"""How an SQLite table becomes another: by ALTER TABLE where that can, else by a rebuild."""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from services.etl.tables.definition import ColumnDefinition, KeyDefinition, Location
from services.etl.tables.difference import Key
from shared.errors import Fault

from . import _sqlite_checks
from ._sqlite_declaration import Declaration, DeclarationUnknown, folded, mentions
from ._sqlite_rebuild import Rebuild, constraints_gone, index_name, primary_changes
from ._sqlite_types import STRICT_TYPES
from .base import OWN_PREFIX, Dialect, passing_name
from .work import Sql, Statement, TableChange, Work

_DROPS_COLUMNS: Final = sqlite3.sqlite_version_info >= (3, 35, 0)


def work(change: TableChange, dialect: Dialect) -> Work:
    """The statements of a change with what has to hold before."""
    if change.difference.empty:
        return Work()
    try:
        declaration = Declaration.parse(change.physical.declared)
    except DeclarationUnknown:
        reason = "the statement that made this table can't be read; make the change there by hand"
        return Work(faults=(Fault(("columns",), "table_unreadable", reason),))
    faults = tuple(_faults(change, declaration, dialect))
    checks = tuple(_sqlite_checks.checks(change, dialect.quote))
    return Work(tuple(_statements(change, declaration, dialect)), checks, faults)


def _statements(change: TableChange, declaration: Declaration, dialect: Dialect) -> Iterator[Statement]:
    renames = {pair.before.name: pair.after.name for pair in change.difference.kept if pair.renamed}
    gone = (*change.difference.keys_dropped, *(old for old, _ in change.difference.keys_renamed))
    rebuilt = needs_rebuild(change, declaration)
    if not rebuilt:
        yield from _dropped_keys(change, gone, dialect)
        yield from _dropped_columns(change, dialect)
    else:
        rebuild = Rebuild(change, declaration, dialect)
        yield from rebuild.statements()
        renames |= {made: name for name, made in rebuild.made_names.items() if made != name}
    yield from _renamed_columns(change, renames, dialect)
    if not rebuilt:
        added = change.difference.added
        yield from (dialect.add_column(change.found, column, change.after) for column in added)
    yield from _renamed_table(change, dialect)
    come = (*change.difference.keys_added, *(new for _, new in change.difference.keys_renamed))
    yield from (_made_key(change.wanted, key, dialect) for key in come if key.kind != "primary")


def needs_rebuild(change: TableChange, declaration: Declaration) -> bool:
    """Whether ALTER TABLE and the statements for indexes can't do it (SQLite, "ALTER TABLE")."""
    difference = change.difference
    return (
        any(pair.retyped or pair.renulled or pair.redefaulted for pair in difference.kept)
        or primary_changes(change)
        or bool(constraints_gone(change))
        or any(not _can_be_added(column) for column in difference.added)
        or any(not _can_be_dropped(column, change, declaration) for column in difference.dropped)
        or (bool(difference.dropped) and not difference.kept)
    )


def _can_be_added(column: ColumnDefinition) -> bool:
    if column.default is None:
        return column.nullable
    return column.default.literal is not None


def _can_be_dropped(column: ColumnDefinition, change: TableChange, declaration: Declaration) -> bool:
    bare = not declaration.column(column.name).constraints or not _is_bound(column, declaration)
    return _DROPS_COLUMNS and bare and column.name not in change.physical.primary_key


def _is_bound(column: ColumnDefinition, declaration: Declaration) -> bool:
    own = declaration.column(column.name).only("PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "GENERATED", "AS")
    return bool(own) or any(mentions(str(one), column.name) for one in declaration.constraints)


def _dropped_keys(change: TableChange, keys: tuple[Key, ...], dialect: Dialect) -> Iterator[Statement]:
    for key in keys:
        sql = Sql(f"DROP INDEX {dialect.quote(key.name)}")
        yield Statement(sql, "safe", f"The {key} of {change.found.name} is another one or goes.")


def _dropped_columns(change: TableChange, dialect: Dialect) -> Iterator[Statement]:
    table = dialect.quote(change.found.name)
    for column in change.difference.dropped:
        sql = Sql(f"ALTER TABLE {table} DROP COLUMN {dialect.quote(column.name)}")
        yield Statement(
            sql, "destroys", f"The column {column.name} goes with its values.", "writes", "rewrite"
        )


def _renamed_columns(
    change: TableChange, renames: Mapping[str, str], dialect: Dialect
) -> Iterator[Statement]:
    """In an order in which no name is taken; a column of a cycle goes by a name of its own."""
    table = dialect.quote(change.found.name)
    ids = {column.name: column.id for column in change.after.columns}
    pending = dict(renames)
    while pending:
        taken = {folded(name): name for name in pending}
        free = (old for old, new in pending.items() if taken.get(folded(new), old) == old)
        old = next(free, None)
        if old is None:
            old, final = next(iter(pending.items()))
            new = passing_name(ids[final])
            pending[new] = final
        else:
            new = pending[old]
        del pending[old]
        sql = Sql(f"ALTER TABLE {table} RENAME COLUMN {dialect.quote(old)} TO {dialect.quote(new)}")
        yield Statement(sql, "safe", f"The column {old} gets the name {new}.")


def _renamed_table(change: TableChange, dialect: Dialect) -> Iterator[Statement]:
    """SQLite doesn't tell names apart by case, so a name that differs only there needs two steps."""
    old, new = change.found.name, change.wanted.name
    if old == new:
        return
    steps = [old, f"{OWN_PREFIX}_renamed", new] if folded(old) == folded(new) else [old, new]
    for before, after in pairwise(steps):
        sql = Sql(f"ALTER TABLE {dialect.quote(before)} RENAME TO {dialect.quote(after)}")
        yield Statement(sql, "safe", f"The table gets the name {after}.")


def _made_key(location: Location, key: Key, dialect: Dialect) -> Statement:
    made = dialect.index(
        location, KeyDefinition(name=key.name, columns=list(key.columns)), unique=key.kind == "unique"
    )
    return Statement(made.sql, "locks", f"The {key} is new, or has another name.", "writes", "scan")


def _faults(change: TableChange, declaration: Declaration, dialect: Dialect) -> Iterator[Fault]:
    yield from _used(change, declaration)
    yield from _filled(change)
    yield from _fixed(change, declaration, dialect)
    new = folded(change.wanted.name)
    if new != folded(change.found.name) and any(folded(name) == new for name in _indexes_left(change)):
        reason = f"an index of the table has the name {change.wanted.name!r}, which tables and indexes share"
        yield Fault(("physical_name",), "name_taken", reason)


def _filled(change: TableChange) -> Iterator[Fault]:
    extras = {column.name: column.kept for column in change.physical.columns}
    for pair in change.difference.kept:
        filled = extras.get(pair.before.name)
        if filled and (pair.retyped or pair.renulled or pair.redefaulted):
            reason = f"SQLite itself fills this column ({filled}); only its name and comment can change"
            yield Fault(("columns", pair.place, "type"), "default_kept", reason)


def _fixed(change: TableChange, declaration: Declaration, dialect: Dialect) -> Iterator[Fault]:
    options = declaration.options.upper()
    needs_key = declaration.numbers_rows or ("ROWID" in options and not change.after.primary_key)
    if primary_changes(change) and needs_key:
        reason = "the table was made with AUTOINCREMENT or WITHOUT ROWID, which needs its primary key"
        yield Fault(("primary_key",), "key_fixed", reason)
    if "STRICT" not in options:
        return
    typed = [pair.after for pair in change.difference.kept if pair.retyped]
    for column in (*change.difference.added, *typed):
        if dialect.column_type(column, change.after) not in STRICT_TYPES:
            place = ("columns", change.after.columns.index(column), "type")
            reason = f"the table is STRICT: choose one of the native types {', '.join(sorted(STRICT_TYPES))}"
            yield Fault(place, "type_not_strict", reason)


def _used(change: TableChange, declaration: Declaration) -> Iterator[Fault]:
    """Columns that go and are used by something of the table that no definition knows.

    SQLite would take a quoted name that is none any more for a text ("Double-quoted String Literals Are
    Accepted"), so an index over it would be made without a word.
    """
    come = {folded(column.name) for column in change.difference.added}
    gone = [column.name for column in change.difference.dropped if folded(column.name) not in come]
    for name in gone:
        for user in _users(name, change, declaration):
            reason = f"the column {name!r} can't go while {user} uses it; change that in the file first"
            yield Fault(("columns",), "column_in_use", reason)


def _users(name: str, change: TableChange, declaration: Declaration) -> Iterator[str]:
    for index, sql in _indexes_left(change).items():
        if mentions(sql[sql.index("(") :], name):
            yield f"the index {index!r}"
    others = [one for column in declaration.columns if column.name != name for one in column.constraints]
    for constraint in (*declaration.constraints, *others):
        if constraint.kind in {"CHECK", "FOREIGN", "GENERATED", "AS"} and mentions(str(constraint), name):
            yield f"the constraint {constraint}"


def _indexes_left(change: TableChange) -> Mapping[str, str]:
    """The statements of the table's indexes that neither go nor are made anew."""
    keys = (*change.difference.keys_dropped, *(old for old, _ in change.difference.keys_renamed))
    dropped = {folded(key.name) for key in keys}
    named = {index_name(sql): sql for sql in change.physical.beside}
    return {name: sql for name, sql in named.items() if name is not None and folded(name) not in dropped}

"""A change of a table as the fewest statements: one ALTER TABLE, where no value has to be made anew.

A value that MODIFY would not make as we mean it is made by an UPDATE, in a column of its own beside the old
one. Then the one ALTER TABLE puts it in its place. What is cut off before is the old table with columns of
ours in it, which the next change drops; what comes after it is the new table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.difference import ColumnPair
from shared.errors import Fault

from . import _mysql_natives as natives
from . import _mysql_obstacles as obstacles
from ._mysql_algorithms import Algorithm, Part, Rules
from ._mysql_casts import Cast, cast
from ._mysql_checks import Checks
from ._mysql_keys import Keys
from ._mysql_types import parts as parts_of_type
from ._mysql_types import type_of
from .base import OWN_PREFIX, passing_name, text_literal
from .work import Lock, Risk, Sql, Statement, TableChange, Work

if TYPE_CHECKING:
    from .mysql import Mysql

RENAMED: Final = "The table gets its new name."
"""By itself after a copy: one that renames too leaves the old name in the catalog of MariaDB, where that has
other signs than letters and digits.
"""

_NEW: Final = f"{OWN_PREFIX}_new_"
INSTANT: Final = ", ALGORITHM=INSTANT"
_ONLINE: Final = ", ALGORITHM=INPLACE, LOCK=NONE"
_JSON: Final = ColumnType("json")
"""MariaDB knows a JSON by a check of its column, which is to have the column's new name in it."""

_RISKS: Final[Mapping[Algorithm, Risk]] = {
    Algorithm.INSTANT: "safe",
    Algorithm.NOCOPY: "locks",
    Algorithm.REBUILD: "rewrites",
    Algorithm.COPY: "rewrites",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A column whose values an UPDATE makes: `name` is what it is called until it takes its place."""

    column: ColumnDefinition
    name: str
    value: Sql
    pair: ColumnPair | None = None


class Alteration:
    """One change, part by part."""

    def __init__(self, dialect: "Mysql", change: TableChange) -> None:
        self._dialect = dialect
        self._change = change
        self._difference = change.difference
        self._rules = Rules.of(change.server, change.physical.options)
        self._physical = {column.name: column for column in change.physical.columns}
        self._found = dialect.at(change.found)
        self._left = [name for name in self._physical if _is_leftover(name)]
        self._passing = {column.id: passing_name(column.id) for column in self._occupying()}
        self._made = list(self._makings())
        self._checks = Checks(change, dialect.quote, self._found, self.cast_of)
        anew = frozenset(made.pair.before.name for made in self._made if made.pair)
        self._keys = Keys(dialect, change, self._rules, anew)
        self._changed = [pair for pair in self._difference.kept if self._is_declared_anew(pair)]

    def work(self) -> Work:
        """The statements and their checks; no statement when nothing differs."""
        faults = tuple(self._faults())
        final = [*self._columns(), *self._keys.parts(), *self._comment()]
        is_renamed = self._change.found != self._change.wanted
        if faults or not (final or is_renamed):
            return Work(checks=tuple(self._checks.all()), faults=faults)
        checks = tuple(self._checks.all())
        exclusive = bool(self._made or self._passing) or any(check.code == "value_unfit" for check in checks)
        exclusive = exclusive or any(check.loc[-1] == "default" for check in checks)
        statements = [*self._prepared(exclusive), *self._updated()]
        if is_renamed and self._rules.combined(final) is Algorithm.INSTANT:
            final.append(self._renaming())
            is_renamed = False
        if final:
            statements.append(self._altered(final, exclusive))
        if is_renamed:
            sql = Sql(f"ALTER TABLE {self._found}\n  {self._renaming().sql}")
            statements.append(Statement(sql, "safe", RENAMED, "all" if exclusive else "brief"))
        return Work(tuple(statements), checks)

    def cast_of(self, pair: ColumnPair, column: Sql) -> Cast:
        """The cast of a pair whose type changes, of the types that its columns really have."""
        if pair.before.native is not None or pair.after.native is not None:
            return natives.cast(pair.after, column)
        after = self._dialect.held(pair.after, self._change.after)
        return cast(self._had(pair), after, column)

    def _had(self, pair: ColumnPair) -> ColumnType:
        spelled = self._physical[pair.before.name].spelled
        return (type_of(spelled) if pair.before.type.is_text else None) or pair.before.type

    def _occupying(self) -> Iterator[ColumnDefinition]:
        """Columns in the way: another one is to have the name. They are told apart by names of their own."""
        wanted = {column.name.lower(): column.id for column in self._change.after.columns}
        for column in self._change.before.columns:
            if wanted.get(column.name.lower(), column.id) != column.id:
                yield column

    def _makings(self) -> Iterator[Made]:
        first = len(self._left)
        for pair in self._difference.kept:
            if pair.retyped:
                made = self.cast_of(pair, self._dialect.quote(pair.before.name))
                if not made.direct:
                    name = f"{_NEW}{first}_{pair.after.id.hex[:8]}"
                    yield Made(pair.after, name, made.value, pair)
                    first += 1
        for column in self._difference.added:
            if column.default is not None and column.default.function is not None:
                # A server that logs statements refuses a new column with such a default: error 1674.
                name = f"{_NEW}{first}_{column.id.hex[:8]}"
                yield Made(column, name, self._dialect.now(column.type))
                first += 1

    def _faults(self) -> Iterator[Fault]:
        for pair in self._changed:
            default = pair.before.default
            if default is not None and default.kept == "generated":
                reason = "the database computes this column: only its name can be changed here"
                yield Fault(("columns", pair.place), "column_generated", reason)
        yield from obstacles.faults(self._change, [made.pair for made in self._made if made.pair])

    def _prepared(self, exclusive: bool) -> Iterator[Statement]:
        """Columns for new values, and names out of the way: at once, whatever the size, where that can be."""
        quote, after = self._dialect.quote, self._change.after
        parts = [f"DROP COLUMN {quote(name)}" for name in self._left] if self._made else []
        parts += [
            f"ADD COLUMN {quote(made.name)} {self._dialect.typed(made.column, after)[0]} NULL"
            for made in self._made
        ]
        moves = bool(parts)
        parts += [
            f"RENAME COLUMN {quote(column.name)} TO {quote(passing_name(column.id))}"
            for column in self._change.before.columns
            if column.id in self._passing
        ]
        if not parts:
            return
        lines = ",\n  ".join(parts)
        reason = "Columns for new values, and names that are still taken, are put aside."
        lock: Lock = "all" if exclusive else "brief"
        if moves and self._rules.add_column is not Algorithm.INSTANT:
            sql = Sql(f"ALTER TABLE {self._found}\n  {lines}")
            yield Statement(sql, "rewrites", reason, lock, "rewrite")
        else:
            yield Statement(Sql(f"ALTER TABLE {self._found}\n  {lines}{INSTANT}"), "safe", reason, lock)

    def _updated(self) -> Iterator[Statement]:
        if not self._made:
            return
        quote = self._dialect.quote
        values = [f"{quote(made.name)} = {self._value(made)}" for made in self._made]
        # A column that notes the time of an update is to keep its value.
        values += [
            f"{quote(name)} = {quote(name)}"
            for name in (self._now_named(column.name) for column in self._touched())
        ]
        lines = ",\n    ".join(values)
        sql = Sql(f"UPDATE {self._found}\n  SET {lines}")  # noqa: S608 - quoted identifiers and literals only
        names = ", ".join(made.column.name for made in self._made)
        yield Statement(sql, "rewrites", f"The values of {names} are made.", "all", "rewrite")

    def _value(self, made: Made) -> Sql:
        if made.pair is None:
            return made.value
        return self.cast_of(made.pair, self._dialect.quote(self._now_named(made.pair.before.name))).value

    def _touched(self) -> Iterator[ColumnDefinition]:
        for column in self._change.before.columns:
            if "on update" in parts_of_type(self._physical[column.name].spelled)[1].lower():
                yield column

    def _now_named(self, name: str) -> str:
        """What a column of the table as it was found is called after the first statement."""
        column = self._change.before.column(name)
        return self._passing.get(column.id, name) if column else name

    def _is_declared_anew(self, pair: ColumnPair) -> bool:
        return pair.retyped or pair.renulled or pair.redefaulted or pair.recommented

    def _columns(self) -> Iterator[Part]:
        yield from self._gone()
        making = {made.column.id for made in self._made}
        for pair in self._difference.kept:
            if pair.after.id not in making:
                yield from self._kept(pair)
        for column in self._difference.added:
            if column.id not in making:
                declaration = self._dialect.declaration(column, self._change.after)
                yield Part(f"ADD COLUMN {declaration}", self._rules.add_column, "column")
        for made in self._made:
            nulls = Algorithm.INSTANT if made.column.nullable else Algorithm.REBUILD
            yield self._changed_to(made.name, made.column, max(nulls, self._rules.rename_column))

    def _gone(self) -> Iterator[Part]:
        replaced = [made.pair.before for made in self._made if made.pair]
        names = [self._now_named(column.name) for column in (*self._difference.dropped, *replaced)]
        for name in [*names, *([] if self._made else self._left)]:
            yield Part(f"DROP COLUMN {self._dialect.quote(name)}", self._rules.drop_column, "column")

    def _kept(self, pair: ColumnPair) -> Iterator[Part]:
        quote, now = self._dialect.quote, self._now_named(pair.before.name)
        algorithm = self._rules.rename_column if now != pair.after.name else Algorithm.INSTANT
        check = self._checked(pair)
        if not self._is_declared_anew(pair) and pair.after.type != _JSON and not check:
            if now != pair.after.name:
                yield Part(f"RENAME COLUMN {quote(now)} TO {quote(pair.after.name)}", algorithm)
            return
        if pair.retyped:
            algorithm = max(algorithm, self._retyping(pair))
        if pair.renulled:
            algorithm = max(algorithm, Algorithm.REBUILD)
        if now != pair.after.name or self._is_declared_anew(pair):
            yield self._changed_to(now, pair.after, algorithm, check)

    def _checked(self, pair: ColumnPair) -> str:
        """The check that others have declared with the column, and MariaDB knows by the column's name."""
        check = self._physical[pair.before.name].check
        names = {one.before.name.lower(): one.after.name for one in self._difference.kept}
        return f" CHECK ({obstacles.renamed(check, names, self._dialect.quote)})" if check else ""

    def _changed_to(self, now: str, column: ColumnDefinition, algorithm: Algorithm, check: str = "") -> Part:
        declaration = self._dialect.declaration(column, self._change.after)
        return Part(f"CHANGE COLUMN {self._dialect.quote(now)} {declaration}{check}", algorithm)

    def _retyping(self, pair: ColumnPair) -> Algorithm:
        if pair.before.native or pair.after.native:
            return natives.algorithm(pair.before, pair.after)
        return self._rules.retype(self._had(pair), self._dialect.held(pair.after, self._change.after))

    def _comment(self) -> Iterator[Part]:
        if self._difference.comment is not None:
            yield Part(f"COMMENT={text_literal(self._difference.comment[1])}", Algorithm.INSTANT)

    def _renaming(self) -> Part:
        return Part(f"RENAME TO {self._dialect.at(self._change.wanted)}", Algorithm.INSTANT)

    def _altered(self, parts: list[Part], exclusive: bool) -> Statement:
        algorithm = self._rules.combined(parts)
        lines = ",\n  ".join(part.sql for part in parts)
        ending = INSTANT if algorithm is Algorithm.INSTANT else ""
        if self._change.concurrently and Algorithm.INSTANT < algorithm < Algorithm.COPY and not exclusive:
            ending = _ONLINE
        return Statement(
            Sql(f"ALTER TABLE {self._found}\n  {lines}{ending}"),
            "destroys" if self._difference.dropped else _RISKS[algorithm],
            "; ".join(self._difference.sentences()) or "Columns that a change left on its way are dropped.",
            "all" if exclusive else "writes" if algorithm is Algorithm.COPY else "brief",
            "rewrite" if algorithm >= Algorithm.REBUILD else "scan" if algorithm else "none",
        )


def _is_leftover(name: str) -> bool:
    return name.startswith(_NEW)

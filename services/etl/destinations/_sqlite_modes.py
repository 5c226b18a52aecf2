"""How rows that were sent become rows of a table of SQLite: straight, anew, merged by key, or as versions.

All of it is called in the thread of the session, inside its transaction: readers see nothing of it.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.etl.columns import Column
from services.etl.destinations import _sqlite_sql as sql
from services.etl.destinations._moments import CLOCKS_APART, begins_later
from services.etl.destinations._target import Written
from services.etl.pipeline.definition import History
from services.etl.pipeline.errors import TargetRefused, TargetUnfit
from services.etl.pipeline.job import JobTarget
from shared import clock
from shared.engines.sqlite import quote

_DROPS: Final = "a trigger of the table keeps rows from being inserted"
_ROWS_AT_ONCE: Final = 50
"""Rows in one INSERT: half the time of one row each, and the interpreter's lock changes hands less often."""


@dataclass(frozen=True, slots=True)
class Work:
    """An open transaction on a table: the columns that are written, and all with their declared types."""

    connection: sqlite3.Connection
    target: JobTarget
    names: Sequence[str]
    declared: Mapping[str, str]

    @property
    def is_triggered(self) -> bool:
        """Whether the table has triggers."""
        return bool(self.value(sql.TRIGGERED, self.target.table_name))

    @property
    def firmly(self) -> str:
        """How it is said that a row that breaks a constraint is an error.

        A trigger's own statements would be held to the same: so it isn't said where there are any.
        """
        return "" if self.is_triggered else sql.FIRMLY

    def check_conflicts(self) -> None:
        """Raises TargetUnfit where the table itself would decide what becomes of rows."""
        if self.is_triggered and self.value(sql.DECIDES, self.target.table_name):
            raise TargetUnfit(reason="it has triggers, and ON CONFLICT clauses that could drop rows")

    @property
    def table(self) -> str:
        """The quoted name."""
        return quote(self.target.table_name)

    def touched(self, statement: str, *values: object) -> int:
        """How many rows a statement touched."""
        return self.connection.execute(statement, values).rowcount

    def value(self, query: str, *values: object) -> int:
        """The number that a query gives."""
        found: int = self.connection.execute(query, values).fetchone()[0]
        return found

    def check_key(self) -> None:
        """Raises TargetUnfit unless the table knows the job's key as a unique one."""
        wanted = set(self.target.key)
        if not any(set(names) == wanted for names in self.unique_keys()):
            raise TargetUnfit(reason=f"it has no unique key over exactly {', '.join(self.target.key)}")

    def unique_keys(self) -> list[list[str]]:
        """The keys that compare whole columns by their bytes; a key that is the row's number has no index."""
        table = self.target.table_name
        primary = [row[0] for row in self.connection.execute(sql.COLUMNS, (table,)) if row[4]]
        found = self.connection.execute(sql.UNIQUE_KEYS, (table,))
        exact = [
            names.split("\x00")
            for _, names, has_expression, collated in found
            if not (has_expression or collated)
        ]
        return [*exact, primary] if len(primary) == 1 else exact


def way_for(work: Work) -> "Way":
    """The way of writing for the job's mode. Raises TargetUnfit."""
    work.check_conflicts()
    match work.target.mode:
        case "append":
            return Append(work)
        case "upsert" | "insert_only":
            return Merge(work)
        case "replace":
            return ReplaceByKey(work) if work.value(sql.REFERRED, work.target.table_name) else Replace(work)
        case "scd2":
            return Versions(work)


class Way(ABC):
    """One way of writing: `begin` before the rows, `insert` for them, `finish` after them."""

    _into = sql.STAGE

    def __init__(self, work: Work) -> None:
        self._work = work
        self._firmly = ""
        self._inserted = 0

    def insert(self, values: Sequence[Any]) -> None:
        """Take rows, whose values follow each other row by row."""
        connection, names = self._work.connection, self._work.names
        width = len(names)
        room = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width
        wide = max(1, min(_ROWS_AT_ONCE, room)) * width
        whole = len(values) - len(values) % wide
        for start, end, step in ((0, whole, wide), (whole, len(values), width)):
            statement = sql.insert(self._into, names, rows=step // width, firmly=self._firmly)
            taken = (values[at : at + step] for at in range(start, end, step))
            self._inserted += max(0, connection.executemany(statement, taken).rowcount)

    def begin(self) -> None:
        """Check what the way needs of the table, and make a stage. Raises TargetUnfit."""
        work = self._work
        work.connection.execute(sql.create_stage([(name, work.declared[name]) for name in work.names]))

    @abstractmethod
    def finish(self, sent: int) -> Written:
        """Bring what was sent into the table and say what became of it."""

    def keep_winners(self) -> int:
        """One row for each key stays in the stage; how many have gone."""
        work = self._work
        work.connection.execute(sql.index_stage(work.target.key))
        return work.touched(sql.drop_losers(work.names, work.target.key, work.target.winner))


class Append(Way):
    """Rows go straight into the table."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._into, self._firmly = f"main.{work.table}", work.firmly

    def begin(self) -> None:
        """There is nothing to make."""

    def finish(self, sent: int) -> Written:
        if self._inserted != sent:
            raise TargetRefused(reason=_DROPS)
        return Written(inserted=sent)


class Replace(Append):
    """The old rows go first: whoever reads meanwhile still sees them."""

    def begin(self) -> None:
        work = self._work
        work.connection.execute(sql.empty(work.table))
        if work.value(sql.count(work.table)):
            raise TargetRefused(reason="a trigger of the table keeps rows from being deleted")


class Merge(Way):
    """Rows go into a stage and from there, one for each key, into the table."""

    def begin(self) -> None:
        self._work.check_key()
        super().begin()

    def finish(self, sent: int) -> Written:
        dropped = self.keep_winners()
        return self.merge(sent - dropped, dropped)

    def merge(self, chosen: int, dropped: int) -> Written:
        """The stage into the table."""
        work, target = self._work, self._work.target
        before = work.value(sql.count(work.table))
        known = target.mode == "insert_only"
        statement = sql.merge(work.table, work.names, target.key, keep_known=known, firmly=work.firmly)
        touched = work.touched(statement)
        if touched < chosen and work.is_triggered and work.value(sql.missing(work.table, target.key)):
            raise TargetRefused(reason=_DROPS)
        inserted = work.value(sql.count(work.table)) - before
        updated = touched - inserted
        return Written(inserted, updated, chosen - touched, dropped)


class ReplaceByKey(Merge):
    """Only what differs is written: other tables refer to the rows, which must not be gone for a moment."""

    def begin(self) -> None:
        if not self._work.target.key:
            raise TargetUnfit(reason="foreign keys point at it, so it needs a key to replace its rows by")
        super().begin()

    def finish(self, sent: int) -> Written:
        if self.keep_winners():
            raise TargetRefused(reason="a row has the key of another one")
        self._work.touched(sql.delete_absent(self._work.table, self._work.target.key))
        return self.merge(sent, 0)


class Versions(Way):
    """What differs from the valid version of its key ends it and begins a new one, all at one moment."""

    def begin(self) -> None:
        from services.etl.destinations import _sqlite_values

        columns = {column.name: column for column in self._work.target.columns}
        for name in self._history.columns:
            column, declared = columns.get(name), self._work.declared.get(name)
            if column is None or declared is None:
                raise TargetUnfit(reason=f"it has no column {name!r} that can be written")
            if not _sqlite_values.keeps(declared, column.type):
                raise TargetUnfit(
                    reason=f"its column {name!r} is declared {declared!r}, which changes {column.type}"
                )
        for names in self._work.unique_keys():
            if set(names) <= set(self._work.target.key):
                listed = ", ".join(names)
                raise TargetUnfit(reason=f"its unique key over {listed} leaves no room for a second version")
        self._begun, self._ended = (
            columns[self._history.valid_from],
            columns[self._history.valid_to],
        )
        super().begin()

    def finish(self, sent: int) -> Written:  # noqa: ARG002  its rows are counted one by one
        work = self._work
        versions = sql.Versions(work.table, work.names, work.target.key, self._history, work.firmly)
        dropped = self.keep_winners()
        now = clock.now()
        begun, ended = _kept(now, self._begun), _kept(now, self._ended)
        valid, keys, later = work.connection.execute(versions.look(), (begun,)).fetchone()
        if valid != keys:
            raise TargetUnfit(reason="it has more than one valid version of a row")
        if later:
            bound = _kept(now + CLOCKS_APART, self._begun)
            raise begins_later(much=bool(work.connection.execute(versions.look(), (bound,)).fetchone()[2]))
        if self._history.absent == "close":
            work.touched(versions.close_absent(), ended)
        unchanged = work.touched(versions.drop_unchanged())
        updated = work.touched(versions.close_changed(), ended)
        opened = work.touched(versions.open_new(), begun)
        return Written(opened - updated, updated, unchanged, dropped)

    @property
    def _history(self) -> History:
        return self._work.target.history or History()


def _kept(moment: datetime, column: Column) -> str:
    """A moment as the text that a column of its type keeps; without a zone it is in UTC."""
    spelled = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{spelled}Z" if column.type.kind == "timestamptz" else spelled

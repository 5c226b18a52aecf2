"""Data tables in an SQLite file: read its schema, run a plan in one transaction, all in a thread."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from services.etl.tables.dialects import Check, Finding, Statement
from services.etl.tables.errors import ChecksFailed, TargetRefused
from services.etl.tables.physical import Marked, Place, Sight
from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.engines import sqlite
from shared.errors import Fault

from . import _sqlite_catalog as catalog
from . import _sqlite_integrity as integrity
from ._sqlite_session import Session, in_thread
from ._sqlite_size import size_of
from .base import Ask, Decide, Examined, Told

_SECONDS: Final = 60.0
_CHANGE_SECONDS: Final = 3600.0
_REFUSED: Final = (
    "SQLite can't do it; views or triggers of the file may use what changes, or be broken: {names}"
)


class SqliteTarget:
    """The file of an SQLite resource below `root`."""

    def __init__(
        self, resource: ResourceConnection, root: Path | None, *, change_seconds: float = _CHANGE_SECONDS
    ) -> None:
        self._path = sqlite.path_of(root, resource)
        assert isinstance(resource.connection, SqliteConnection)
        self._create = resource.connection.create
        self._change_seconds = change_seconds

    async def examine(self, place: Place, ask: Ask) -> Examined:
        """As `Target.examine`. A file that is to be made with the first publish is an empty one."""
        return await in_thread(partial(self._examine, place, ask))

    async def carry_out(self, place: Place, decide: Decide, *, told: Told) -> Sight:
        """As `Target.carry_out`. `decide`, `verify` and `told` are called in another thread."""
        return await in_thread(partial(self._carry_out, place, decide, told))

    async def marked(self) -> list[Marked]:
        """As `Target.marked`."""
        return await in_thread(self._marked)

    def _examine(self, place: Place, ask: Ask, session: Session) -> Examined:
        if self._is_missing():
            return Examined(Sight(None, None), ())
        with session.opened(self._path, read_only=True, create=False) as connection:
            session.limit(_SECONDS)
            connection.execute("BEGIN")
            sight = catalog.seen(connection, place)
            findings = tuple(_found(connection, check) for check in ask(sight))
            if sight.physical is not None and sight.physical.kind == "table" and sight.name is not None:
                sight = replace(sight, size=size_of(connection, sight.name))
            return Examined(sight, findings)

    def _marked(self, session: Session) -> list[Marked]:
        if self._is_missing():
            return []
        with session.opened(self._path, read_only=True, create=False) as connection:
            session.limit(_SECONDS)
            connection.execute("BEGIN")
            return catalog.marked(connection)

    def _carry_out(self, place: Place, decide: Decide, told: Told, session: Session) -> Sight:
        with session.opened(self._path, read_only=False, create=self._create) as connection:
            session.limit(_SECONDS)
            # A table that is dropped to be made anew would take along the rows that refer to it.
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            seen = catalog.seen(connection, place)
            work = decide(seen)
            session.limit(self._change_seconds)
            _require_none([*work.faults, *_faults(connection, work.checks)])
            with _whole(connection, *{*place.names, *([seen.name] if seen.name else [])}):
                _run(connection, work.statements, told, session)
            session.limit(_SECONDS)
            seen = catalog.seen(connection, place)
            work.verify(seen)
            session.go_on()
            connection.execute("COMMIT")
            return seen

    def _is_missing(self) -> bool:
        return self._create and not self._path.exists()


def _run(
    connection: sqlite3.Connection, statements: Sequence[Statement], told: Told, session: Session
) -> None:
    for step, statement in enumerate(statements, start=1):
        session.go_on()
        told(step, len(statements))
        connection.execute(statement.sql)


@contextmanager
def _whole(connection: sqlite3.Connection, *names: str) -> Iterator[None]:
    """Raise TargetRefused if the statements are refused, or break what hangs on one of these tables."""
    before = integrity.looked_at(connection, *names)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR" or not before.dependents:
            raise
        raise TargetRefused(reason=_REFUSED.format(names=", ".join(before.dependents))) from None
    integrity.looked_at(connection, *names).require(before)


def _faults(connection: sqlite3.Connection, checks: Sequence[Check]) -> list[Fault]:
    found = (_found(connection, check) for check in checks)
    return [finding.fault for finding in found if finding.rows]


def _found(connection: sqlite3.Connection, check: Check) -> Finding:
    rows = int(connection.execute(check.count).fetchone()[0])
    if not rows or check.samples is None:
        return Finding(check, rows)
    samples = connection.execute(check.samples).fetchall()
    return Finding(check, rows, tuple(str(value) for (value,) in samples))


def _require_none(faults: Sequence[Fault]) -> None:
    if faults:
        raise ChecksFailed(faults=faults)

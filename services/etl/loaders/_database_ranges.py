"""A table that is read in ranges of a unique key, each in a transaction of its own.

So no snapshot is held for long, and a connection that is lost costs no more than what was under way: the
next one goes on behind the last key that was given. A row that keeps its key is given once, as it is when
its range is read; one that gets another key meanwhile may be missed or come twice. Rows above the highest key
that there was at the beginning belong to the next run, so that it ends however fast others write.
"""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import Values
from services.etl.loaders._database_loader import Table
from services.etl.loaders._database_session import Selection, Session
from services.etl.pipeline.errors import SourceChanged
from shared.errors import Transient

TRIES: Final = 8
"""How often in succession a session is begun anew before a row comes."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
_log = logging.getLogger(__name__)


class Connected(Protocol):
    """Who has a session, and can have another one."""

    @property
    def session(self) -> Session:
        """The session."""

    def reopen(self, pause: float) -> None:
        """Begin another session after some seconds. Raises JobCancelled when the reading is left."""


@dataclass(slots=True)
class _Place:
    """How far it was read: the key of the last row or range, and the highest there is to read."""

    low: Values | None = None
    last: Values | None = None
    done: bool = False
    failures: int = 0


class Ranges:
    """The rows of a selection in the order of its key, about `rows` of them at a time."""

    def __init__(self, connected: Connected, table: Table, selection: Selection, *, rows: int) -> None:
        assert selection.key is not None
        self._connected = connected
        self._table = table
        self._selection = selection
        self._key = selection.key
        self._rows = rows
        self._at = _Place()

    def __iter__(self) -> Iterator[Raw]:
        while not self._at.done:
            try:
                yield from self._range(self._connected.session)
            except Transient as error:
                self._go_on(error)

    def _range(self, session: Session) -> Iterator[Raw]:
        at, selection = self._at, self._selection
        session.renew()
        self._check(session)
        if at.last is None:
            at.last = session.key_at(
                replace(selection, conditions=session.key_sql.known(self._key)), last=True
            )
        if at.last is None:
            at.done = True
            return
        top = None
        if selection.conditions:  # few rows may be wanted: what is bounded is how many are looked at
            top = session.key_at(self._between(at.last, bare=True), offset=self._rows - 1)
            yield from self._given(session, self._between(top or at.last))
            at.low, at.done, at.failures = top or at.last, top is None, 0
            return
        count = 0
        for raw in self._given(session, replace(self._between(at.last), limit=self._rows)):
            count += len(raw)
            yield raw
        at.done = count < self._rows

    def _between(self, high: Values, *, bare: bool = False) -> Selection:
        """What lies above the place, up to `high`; `bare` of any other condition."""
        low, sql = self._at.low, self._connected.session.key_sql
        conditions = [*sql.known(self._key), *([] if low is None else [sql.beyond(self._key, low)])]
        return replace(
            self._selection,
            conditions=[
                *conditions,
                sql.up_to(self._key, high),
                *(() if bare else self._selection.conditions),
            ],
            values=(*(low or ()), *high),
        )

    def _given(self, session: Session, part: Selection) -> Iterator[Raw]:
        """The rows of a part. Its transaction ends before the last block is given: its taker may be slow."""
        held: Raw | None = None
        for raw in session.rows(part):
            if held is not None:
                yield self._passed(held)
            held = raw if len(raw) else None
        session.rest()
        if held is not None:
            yield self._passed(held)

    def _passed(self, raw: Raw) -> Raw:
        self._at.low, self._at.failures = raw.last, 0
        return raw

    def _check(self, session: Session) -> None:
        """The transaction before this one doesn't keep others from changing the table."""
        columns = session.columns(self._table)
        found = {column.name: column for column in columns}
        same = all(
            found.get(column.name) == self._selection.found[column.name] for column in self._selection.columns
        )
        if not same or self._key not in session.keys(self._table, columns):
            raise SourceChanged(reason="its columns or its key were changed while it was read")

    def _go_on(self, error: Transient) -> None:
        """Have another session. Raises the error when that was tried often enough since the last row."""
        while True:
            self._at.failures += 1
            if self._at.failures > TRIES:
                raise error
            _log.warning(
                "the source was lost, it is read on behind the last key", extra={"reason": error.code()}
            )
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._at.failures - 1))
            try:
                self._connected.reopen(pause * random.uniform(0.5, 1.0))  # noqa: S311  it only spreads the load
            except Transient as again:
                error = again
            else:
                return

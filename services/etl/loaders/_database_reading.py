"""An open table or query: what is selected, block by block, and the counts that go with it."""

import threading
from collections.abc import Iterator, Sequence
from typing import Final

from services.etl.columns import Columns
from services.etl.loaders import _database_cells, _database_cursor, _database_guard, _database_keys
from services.etl.loaders._base import Batch, Reading, Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import UniqueKey
from services.etl.loaders._database_loader import DatabaseLoader, Query
from services.etl.loaders._database_ranges import Ranges
from services.etl.loaders._database_session import Selection, Session, engine_of, open_session
from services.etl.loaders._database_sql import FoundColumn, Pushed
from services.etl.pipeline.errors import JobCancelled, SourceChanged, SourceInvalid

_NO_CURSOR: Final = {False: "has not the order of numbers", True: "has no lag"}


class DatabaseReading(Reading):
    """The rows of one snapshot, or of ranges of a key, each in one of its own.

    Iterate once; leaving the context ends the session and what runs in it. With a `limit`, only so many rows
    are read, of one snapshot.
    """

    def __init__(self, loader: DatabaseLoader, source: Source, *, limit: int | None = None) -> None:
        self._loader = loader
        self._source = source
        self._limit = limit
        self._session: Session | None = None
        self._bytes_done = 0
        self._expected: int | None = None
        self._cursor: str | None = None
        self._selection: Selection | None = None
        self._bytes_before = 0
        self._ended = False
        self._left = threading.Event()
        self.pushed = Pushed("", exact=True)

    def begin(self) -> Selection:
        """Connect and find out what to select, which may take long: not in an event loop.

        Called again, it gives the same. Raises what a session raises, QueryRefused, and JobCancelled after
        the context was left.
        """
        if self._selection is not None:
            return self._selection
        relation = self._loader.relation
        engine = engine_of(self._source)
        if isinstance(relation, Query):
            _database_guard.check_query(relation.text, engine=engine, loc=("source", "params", "query"))
        self._connect()
        self._selection = self._selected(self.session)
        return self._selection

    def reopen(self, pause: float) -> None:
        """Go on with another session after some seconds. Raises JobCancelled after the context was left."""
        before = self.bytes_read
        self.session.close()
        self._left.wait(pause)
        self._connect()
        self._bytes_before = before

    def _connect(self) -> None:
        if self._left.is_set():
            raise JobCancelled
        self._session = open_session(self._source)
        if self._left.is_set():
            self._session.close()
            raise JobCancelled

    def close(self) -> None:
        self._left.set()
        if self._session is not None:
            self._session.close()

    @property
    def bytes_read(self) -> int:
        return self._bytes_before + self._session.bytes_read if self._session else 0

    @property
    def bytes_done(self) -> int:
        return self._bytes_done

    @property
    def rows_expected(self) -> int | None:
        return self._expected

    @property
    def cursor(self) -> str | None:
        return self._cursor if self._ended else None

    @property
    def loader(self) -> DatabaseLoader:
        """What it reads for."""
        return self._loader

    @property
    def engine(self) -> str | None:
        """The type of the connection."""
        return self._source.connection.connection.type if self._source.connection else None

    @property
    def session(self) -> Session:
        """The session, once it has begun."""
        assert self._session is not None
        return self._session

    def __iter__(self) -> Iterator[Batch]:
        selection = self.begin()
        loader = self._loader
        contract = _database_cells.Contract(
            loader.columns_out(),
            loader.where,
            loader.params.cursor_column,
            null_zero_dates=loader.params.zero_dates == "null",
        )
        read = 0
        for raw in self._raw(selection):
            if len(raw):
                yield _database_cells.typed(raw, contract, first=read)
            read += len(raw)
            self.given(self.bytes_read)
        self.ended()

    def _raw(self, selection: Selection) -> Iterator[Raw]:
        relation, parts = self._loader.relation, self._loader.partition
        if parts is None or self._limit is not None or isinstance(relation, Query):
            return self.session.rows(selection)
        return iter(Ranges(self, relation, selection, rows=parts.rows))

    def given(self, bytes_done: int) -> None:
        """So many bytes are rows that were given."""
        self._bytes_done = bytes_done

    def ended(self) -> None:
        """All was read: the cursor is valid, and the session ends, so that it holds no lock any longer."""
        self.given(self.bytes_read)
        self._ended = True
        self.session.close()

    def _selected(self, session: Session) -> Selection:
        loader = self._loader
        there = session.columns(loader.relation)
        found = {column.name: column for column in there}
        columns = loader.columns_out()
        missing = [name for name in columns.names if name not in found]
        if missing:
            raise SourceChanged(reason=f"it has no column {missing[0]!r}")
        if loader.params.extra_columns == "fail" and self._limit is None:
            _check_all_declared(columns, there)
        self.pushed = session.sql.pushed(loader.where, self._comparable(found))
        conditions = [self.pushed.sql]
        if loader.params.cursor_column is not None:
            conditions += self._interval(session, loader.params.cursor_column, found)
        elif loader.where is None:
            self._expected = session.expected(loader.relation)
        conditions = [one for one in conditions if one]
        return Selection(loader.relation, columns, found, conditions, self._limit, self._key(session, there))

    def _key(self, session: Session, found: list[FoundColumn]) -> UniqueKey | None:
        relation, parts = self._loader.relation, self._loader.partition
        if parts is None or isinstance(relation, Query):
            return None
        keys = session.keys(relation, found)
        key = _database_keys.chosen(keys, parts.columns, found, session.key_sql)
        for column in key.columns:
            is_null = f"{session.sql.quote(column.name)} IS NULL"
            odd = session.sql.select(["1"], relation, [is_null], limit=1)
            if column.nullable and session.first(odd, 1, ()) is not None:
                raise SourceInvalid(
                    reason=f"its column {column.name!r} has a NULL, so that it can't be read in parts by it"
                )
        return key if self._limit is None else None

    def _comparable(self, found: dict[str, FoundColumn]) -> dict[str, FoundColumn]:
        """Columns whose values compare there as they do here: those of the declared type."""
        same = dict[str, FoundColumn]()
        for column in self._loader.columns_out():
            there = found[column.name]
            if there.type is not None and (
                there.type.kind == column.type.kind
                or (there.type.is_text and column.type.is_text)
                or (there.type.is_integer and column.type.is_integer)
            ):
                same[column.name] = FoundColumn(there.name, there.spelled, column.type, there.nullable)
        return same

    def _interval(self, session: Session, name: str, found: dict[str, FoundColumn]) -> list[str]:
        column, lag = self._loader.columns_out().get(name), self._loader.params.lag
        if not session.sql.can_be_cursor(column.type, lag=lag > 0):
            raise SourceInvalid(reason=f"its column {name!r} is kept as text, which {_NO_CURSOR[lag > 0]}")
        made = _database_cursor.interval(
            session, self._loader.relation, column, found[name], last=self._source.cursor, lag=lag
        )
        self._cursor = made.cursor
        return made.conditions


def _check_all_declared(columns: Columns, there: Sequence[FoundColumn], most: int = 10) -> None:
    extra = [repr(column.name[:80]) for column in there if column.name not in columns]
    if extra:
        listed = ", ".join(extra[:most]) + (", ..." if len(extra) > most else "")
        raise SourceChanged(reason=f"it has {listed}, which no column is declared for")

"""Reading from an SQLite file: its values have types of their own, whatever their column says."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Column, ColumnType, Kind
from services.etl.loaders import _sqlite_keys
from services.etl.loaders._base import Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import UniqueKey, Values
from services.etl.loaders._database_loader import Query, Relation, Table
from services.etl.loaders._database_session import SAMPLE, Selection, Session
from services.etl.loaders._database_sql import FoundColumn, SqliteSql
from services.etl.pipeline.casting import BadCell
from services.etl.pipeline.errors import JobCancelled, SourceBusy, SourceChanged, SourceInvalid
from services.etl.tables.dialects import DIALECTS
from shared.engines import sqlite
from shared.errors import PenstockError

ROWS: Final = 8192
LONGEST_VALUE: Final = 64 << 20
_COLUMNS: Final = (
    "SELECT name, type, \"notnull\" OR (pk > 0 AND upper(type) = 'INTEGER') FROM pragma_table_xinfo(?)"
    " WHERE hidden <> 1 ORDER BY cid"
)
_IN_WORDS: Final = {int: "a whole number", float: "a number", str: "a text", bytes: "bytes"}

_GUESSES: Final[dict[frozenset[str], Kind]] = {
    frozenset({"integer"}): "int64",
    frozenset({"real"}): "float64",
    frozenset({"integer", "real"}): "float64",
    frozenset({"blob"}): "bytes",
}


class SqliteSession(Session):
    """A read transaction. In a file without a write-ahead log nobody can write meanwhile."""

    sql = SqliteSql()
    key_sql = _sqlite_keys.SqliteKeys()

    def __init__(self, source: Source) -> None:
        if source.sqlite_path is None:
            raise SourceInvalid(reason="its file is not there")
        self._closed = False
        self._using = threading.Lock()
        self._connection = sqlite.connect(source.sqlite_path, any_thread=True, max_bytes=LONGEST_VALUE)
        self._connection.text_factory = _text
        self._connection.execute("BEGIN")

    def columns(self, relation: Relation) -> list[FoundColumn]:
        if isinstance(relation, Query):
            statement = self.sql.select(["*"], relation, [], limit=0)
            names = self._described(statement)
            return [FoundColumn(name, "", None) for name in names]
        rows = self._fetch(_COLUMNS, (relation.name,))
        if not rows:
            raise SourceChanged(reason="its table is not there")
        return [
            FoundColumn(name, spelled, DIALECTS["sqlite"].type_of(spelled), nullable=not required)
            for name, spelled, required in rows
        ]

    def keys(self, table: Table, _found: Sequence[FoundColumn]) -> list[UniqueKey]:
        return _sqlite_keys.keys_of(self._fetch, table.name)

    def rest(self) -> None:
        if self._connection.in_transaction:
            self._run(lambda: self._connection.execute("COMMIT"))

    def renew(self) -> None:
        self.rest()
        self._run(lambda: self._connection.execute("BEGIN"))

    def first(self, statement: str, _count: int, values: Values) -> Values | None:
        rows = self._fetch(statement, values)
        return tuple(rows[0]) if rows else None

    def guess(self, relation: Relation, column: FoundColumn) -> ColumnType | None:
        name = self.sql.quote(column.name)
        sample = self.sql.select([name], relation, [f"{name} IS NOT NULL"], limit=SAMPLE)
        kinds = self.value(f"SELECT group_concat(DISTINCT typeof({name})) FROM ({sample})")  # noqa: S608  quoted
        found = _GUESSES.get(frozenset((kinds or "").split(",")))
        return ColumnType(found) if found else None

    def value(self, statement: str) -> str | None:
        ((found,),) = self._fetch(statement, ())
        return None if found is None else str(found)

    def expected(self, _relation: Relation) -> int | None:
        return None

    def rows(self, selection: Selection) -> Iterator[Raw]:
        columns = list(selection.columns)
        names = [self.sql.quote(selection.found[column.name].name) for column in columns]
        expressions, of_key = self.with_key(names, selection)
        statement = self.select(expressions, selection)
        cursor = self._run(lambda: self._connection.execute(statement, selection.values))
        while fetched := self._run(lambda: cursor.fetchmany(ROWS)):
            last = tuple(fetched[-1][at] for at in of_key)
            yield replace(block(columns, list(zip(*fetched, strict=True))[: len(columns)]), last=last)

    def _described(self, statement: str) -> list[str]:
        cursor = self._run(lambda: self._connection.execute(statement))
        return [described[0] for described in cursor.description]

    def _fetch(self, statement: str, values: Sequence[Any]) -> list[Any]:
        found: list[Any] = self._run(lambda: self._connection.execute(statement, values).fetchall())
        return found

    def _run(self, work: Any) -> Any:
        with self._using:
            if self._closed:
                raise JobCancelled
            try:
                return work()
            except sqlite3.Error as error:
                raise _explained(error, closed=self._closed) from error

    def close(self) -> None:
        self._closed = True
        if self._using.acquire(blocking=False) or self._interrupted():
            try:
                self._connection.close()
            finally:
                self._using.release()

    def _interrupted(self) -> bool:
        """End the statement that runs in another thread, and wait for it a little."""
        self._connection.interrupt()
        return self._using.acquire(timeout=2.0)


def _text(content: bytes) -> str | bytes:
    """A text as SQLite has it; what isn't UTF-8 stays in bytes, and is told."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _sqlite_keys.Undecodable(content)


def _explained(error: sqlite3.Error, *, closed: bool) -> PenstockError:
    code = getattr(error, "sqlite_errorname", "") or ""
    if closed or code == "SQLITE_INTERRUPT":
        return JobCancelled()
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SourceBusy(reason="another program is writing to the file")
    if code == "SQLITE_AUTH":
        return SourceInvalid(reason="the query does what is not allowed")
    if code == "SQLITE_TOOBIG":
        return SourceInvalid(reason=f"it has a value of more than {LONGEST_VALUE >> 20} MiB")
    if code == "SQLITE_ERROR":
        return SourceInvalid(reason="SQLite can't carry out the query on its tables")
    return SourceInvalid(reason=f"SQLite failed ({code or 'unknown error'})")


def block(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> Raw:
    """Python values by column as Arrow columns; those of a type that the column can't have are bad."""
    arrays, bad = [], list[tuple[int, BadCell]]()
    for position, (column, cells) in enumerate(zip(columns, values, strict=True)):
        allowed = _allowed(column.type)
        if not set(map(type, cells)) <= allowed:
            bad += [
                (position, _bad_cell(row, cell, column.type))
                for row, cell in enumerate(cells)
                if type(cell) not in allowed
            ]
            cells = [cell if type(cell) in allowed else None for cell in cells]  # noqa: PLW2901  the rest
        arrays.append(_array(cells, column.type))
    return Raw(arrays, bad)


def _allowed(kind: ColumnType) -> set[type]:
    nothing = type(None)
    if kind.is_integer or kind.kind == "boolean":
        return {int, nothing}
    if kind.kind in {"float32", "float64"}:
        return {float, int, nothing}
    if kind.kind == "decimal":
        return {int, float, str, nothing}
    return {bytes, nothing} if kind.kind == "bytes" else {str, nothing}


def _bad_cell(row: int, cell: Any, kind: ColumnType) -> BadCell:
    if isinstance(cell, _sqlite_keys.Undecodable):
        return BadCell(row, cell.decode(errors="replace"), "invalid_encoding", "is not UTF-8")
    shown = cell.hex() if isinstance(cell, bytes) else str(cell)
    return BadCell(row, shown, "wrong_type", f"is {_IN_WORDS[type(cell)]} in the file and no {kind}")


def _array(cells: Sequence[Any], kind: ColumnType) -> Any:
    """Numbers as they are, where they are of the type; all else as texts that spell them.

    A decimal is made of the shortest digits that mean a number of eight bytes, which SQLite shows too.
    """
    if kind.kind == "bytes":
        return pa.array(cells, pa.binary())
    if kind.kind == "float64" and int not in set(map(type, cells)):
        return pa.array(cells, pa.float64())
    if kind.kind in {"float32", "float64"}:
        return pa.array([None if cell is None else repr(cell) for cell in cells], pa.string())
    if kind.kind == "decimal":
        return pa.array([cell if isinstance(cell, str | None) else repr(cell) for cell in cells], pa.string())
    if kind.is_integer or kind.kind == "boolean":
        whole = pa.array(cells, pa.int64())
        return whole if kind.kind == "int64" else pc.cast(whole, pa.string())
    return pa.array(cells, pa.string())

"""Reading from MySQL and MariaDB: unbuffered, in a transaction that can't write."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from services.etl.loaders import _mysql_keys, _mysql_rows
from services.etl.loaders._base import Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import UniqueKey, Values
from services.etl.loaders._database_loader import Relation, Table
from services.etl.loaders._database_session import Selection, Session
from services.etl.loaders._database_sql import FoundColumn, MysqlSql
from services.etl.loaders._loop_thread import LoopThread, Put
from services.etl.loaders._mysql_fields import found_column
from services.etl.pipeline.errors import SourceBusy, SourceChanged, SourceInvalid
from shared.engines import mysql, network
from shared.errors import PenstockError

T = TypeVar("T")
_BROKEN: Final[tuple[type[Exception], ...]] = (*mysql.DRIVER_ERRORS, _mysql_rows.RowTooLong)
BLOCK_BYTES: Final = 1 << 20
_AT_ONCE: Final = 1 << 18
_DAY_SECONDS: Final = 86_400.0
_ANY_LENGTH: Final = 1 << 62
_SETTINGS: Final = "SET SESSION sql_mode = '', net_write_timeout = 3600"
"""The mode by which a query is read before it is sent: a backslash escapes. A slow target may let the server
wait for room."""

_BEGIN: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
_GONE: Final = frozenset({1049, 1146})
_DENIED: Final = frozenset({1044, 1142, 1143, 1227, 1370})
_ENDED: Final = frozenset({1205, 1213, 1317, 1412, 1969, 3024})
_REFUSED: Final = {
    1054: "it names a column that is not there",
    1060: "it has two columns of one name",
    1064: "its SQL can't be read",
    1305: "it names a function that is not there",
    1792: "it would write",
}


class MysqlSession(Session):
    """A session with the server; its driver works in an event loop of its own."""

    sql = MysqlSql()
    key_sql = _mysql_keys.MysqlKeys()

    def __init__(self, source: Source) -> None:
        self._source = source
        self._connection: Any = None
        self._working = False
        self._loop = LoopThread()
        try:
            self._call(self._open)
        except BaseException:
            self.close()
            raise

    async def _open(self) -> None:
        self._connection = await self._connect()
        await self._connection.query(_SETTINGS)
        await self._connection.query(_BEGIN)

    async def _connect(self) -> Any:
        assert self._source.connection is not None
        return await mysql.connect(
            self._source.connection,
            policy=self._source.policy,
            application_name="penstock source",
            statement_timeout=_DAY_SECONDS,
            timeout=15.0,
            longest_answer=_ANY_LENGTH,
        )

    def columns(self, relation: Relation) -> list[FoundColumn]:
        statement = self.sql.select(["*"], relation, [], limit=0)
        return [found_column(field) for field in self._call(lambda: self._described(statement))]

    async def _described(self, statement: str) -> list[Any]:
        await self._connection.query(statement)
        fields: list[Any] = self._connection._result.fields  # noqa: SLF001  what a cursor tells lacks the flags
        return fields

    def keys(self, table: Table, found: Sequence[FoundColumn]) -> list[UniqueKey]:
        async def fetched() -> Any:
            async with self._connection.cursor() as cursor:
                await cursor.execute(f"SHOW INDEX FROM {self.sql.relation(table)}")
                return await cursor.fetchall()

        return _mysql_keys.keys_of(self._call(fetched), {column.name: column for column in found})

    def rest(self) -> None:
        self._call(lambda: self._connection.query("COMMIT"))

    def renew(self) -> None:
        self._call(lambda: self._connection.query(_BEGIN))

    def first(self, statement: str, count: int, _values: Values) -> Values | None:
        rows = [[array[0].as_py() for array in arrays] for arrays in self._blocks(statement, count)]
        return tuple(rows[0]) if rows else None

    def value(self, statement: str) -> str | None:
        async def fetched() -> Any:
            async with self._connection.cursor() as cursor:
                await cursor.execute(statement)
                return mysql.only(await cursor.fetchall())[0]

        found = self._call(fetched)
        return found.decode() if isinstance(found, bytes) else None if found is None else str(found)

    def expected(self, _relation: Relation) -> int | None:
        return None

    def rows(self, selection: Selection) -> Iterator[Raw]:
        wanted = [selection.found[column.name] for column in selection.columns]
        cells = [_expression(self.sql.quote(found.name), found) for found in wanted]
        expressions, of_key = self.with_key(cells, selection)
        statement = self.select(expressions, selection)
        for arrays in self._blocks(statement, len(expressions)):
            yield Raw(arrays[: len(wanted)], last=tuple(arrays[at][-1].as_py() for at in of_key))

    def _blocks(self, statement: str, count: int) -> Iterator[list[Any]]:
        """The cells of a statement's rows, as so many columns."""

        async def produce(put: Put[tuple[bytes, list[int]]]) -> None:
            await self._watched(self._sent(statement, put))

        for data, starts in self._guarded(self._loop.stream(produce)):
            yield _mysql_rows.columns(data, starts, count)

    async def _sent(self, statement: str, put: Put[tuple[bytes, list[int]]]) -> None:
        """Whole packets of rows, as they come. The driver has read what comes before them."""
        await self._connection.query(statement, unbuffered=True)
        reader = self._connection._reader  # noqa: SLF001  the driver itself makes an object of each cell
        walk = _mysql_rows.Walk()
        while walk.ending is None:
            data = await reader.read(_AT_ONCE)
            if not data:
                raise ConnectionResetError
            self.bytes_read += len(data)
            walk.feed(data)
            if walk.size >= BLOCK_BYTES or (walk.size and walk.ending is not None):
                await put(walk.take())
        result = self._connection._result  # noqa: SLF001  it has been read to its end
        result.unbuffered_active, result.connection = False, None
        if _mysql_rows.is_error(walk.ending):
            raise _explained(_mysql_rows.error_number(walk.ending))

    def close(self) -> None:
        self._loop.close(self._ended)

    async def _ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            number = connection.thread_id() if self._working else None
            _drop(connection)
            if number is not None:
                await self._kill(number)

    async def _kill(self, number: int) -> None:
        """End what the server still does for a session that is gone: it would notice when it sends a row."""
        with suppress(PenstockError, *mysql.DRIVER_ERRORS):
            connection = await self._connect()
            try:
                await connection.query(f"KILL {number}")
            finally:
                _drop(connection)

    async def _watched(self, work: Awaitable[T]) -> T:
        """Know whether the server was left in the midst of it."""
        self._working = True
        try:
            done = await work
        except Exception:
            self._working = False
            raise
        self._working = False
        return done

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async def done() -> T:
            return await self._watched(work())

        try:
            return self._loop.call(done())
        except _BROKEN as error:
            raise _translated(error) from error

    def _guarded(self, items: Iterator[T]) -> Iterator[T]:
        try:
            yield from items
        except _BROKEN as error:
            raise _translated(error) from error


def _drop(connection: Any) -> None:
    """Close the socket at once: with TLS, closing politely waits for the server."""
    writer = connection._writer  # noqa: SLF001  the driver forgets it
    connection.close()
    if writer is not None:
        network.drop(writer.transport)


def _translated(error: BaseException) -> PenstockError:
    """The error of a job for one of the driver, without values and SQL."""
    if isinstance(error, _mysql_rows.RowTooLong):
        return SourceInvalid(reason="it has a row of more than 16 MiB")
    number = mysql.number_of(error)
    if number is None or mysql.is_lost(error):
        return mysql.failure_of(error)
    return _explained(number)


def _explained(number: int) -> PenstockError:
    if number in _GONE:
        return SourceChanged(reason="its table is not there")
    if number in _DENIED:
        return SourceInvalid(reason="the user may not read it")
    if number in _ENDED:
        return SourceBusy(reason=f"the server ended the reading with error {number}")
    return SourceInvalid(reason=_REFUSED.get(number, f"the server refused to read it with error {number}"))


def _expression(name: str, found: FoundColumn) -> str:
    """What is selected: bits as numbers, and numbers of four bytes with all their digits."""
    if found.spelled == "bit":
        return f"CAST({name} AS UNSIGNED)"
    return f"{name} + 0e0" if found.spelled == "float" else name

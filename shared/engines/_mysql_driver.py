"""aiomysql with what it leaves to its callers: no weak logins, no silent loss of TLS, bounded greetings.

Imported only by who connects: the driver and what it needs take ten megabytes.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ssl import SSLContext, SSLError
from typing import Any, Final

import aiomysql
from aiomysql.connection import MySQLResult
from pymysql import err
from pymysql.charset import charset_by_name
from pymysql.constants import CLIENT, COMMAND

from shared.engines import _mysql_errors as errors
from shared.engines import network
from shared.engines.errors import ConnectRefused, Step

CHARSET: Final = "utf8mb4"
LONGEST_GREETING: Final = 64 * 1024
"""Bytes until somebody is logged in; a greeting takes about a hundred."""

_COST_OF_READING: Final = 100
"""Each packet is read in two parts; what is made of the smallest row takes about this, in bytes."""

_LOOK_SECONDS: Final = 0.5
_MAX_PACKET: Final = 2**24 - 1
_DATA_PACKET: Final = 2**20
"""Bytes of data in one packet: servers take no more than their max_allowed_packet, 16 MB at first, and one of
2**24 - 1 bytes would have to be continued.
"""

_GARBAGE: Final = (
    struct.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
)
"""What the driver stumbles over when the bytes are not the protocol's."""

_HASHED: Final = frozenset({"mysql_native_password", "caching_sha2_password", "sha256_password"})
_CLEAR: Final = "mysql_clear_password"


@dataclass(frozen=True, slots=True)
class Login:
    """Where to, as whom, and how: `address` is a checked one, `host` the name that was configured.

    A statement is given up after `patience` seconds, or when its answer takes more than `longest_answer`
    bytes: who answers may be anybody.
    """

    address: str
    host: str
    port: int
    user: str
    password: str
    database: str
    application_name: str
    context: SSLContext | None
    needs_tls: bool
    is_verified: bool
    may_load: bool
    patience: float
    longest_answer: int


class Cursor(aiomysql.Cursor):  # type: ignore[misc] # the driver ships no types
    """A cursor that tells the number of warnings and prints none: they hold names and values."""

    @property
    def warning_count(self) -> int:
        """How many warnings the last statement has left (SHOW WARNINGS tells them)."""
        return int(self._result.warning_count) if self._result else 0

    async def _show_warnings(self, conn: Any) -> None:
        pass


class Connection(aiomysql.Connection):  # type: ignore[misc] # the driver ships no types
    """A connection that gives a password only to the kinds of login that deserve it.

    Sends one statement at a time, never a file, and quotes for sql_mode NO_BACKSLASH_ESCAPES. A server that
    asks for a file gets what `load` was given for it; one that asks at any other time is not talked to again.
    """

    def __init__(self, login: Login, passed: Callable[[Step], None]) -> None:
        super().__init__(
            host=login.address,
            port=login.port,
            user=login.user,
            # The driver encodes passwords in Latin 1; servers compare what clients sent in UTF-8.
            password=login.password.encode().decode("latin1"),
            db=login.database or None,
            charset=CHARSET,
            cursorclass=Cursor,
            autocommit=None,
            local_infile=False,
        )
        self._reader: Any = None
        self._writer: Any = None
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS
        if login.may_load:  # the driver itself still refuses: `_local_infile` stays False
            self.client_flag |= CLIENT.LOCAL_FILES
        self._connect_attrs = {"program_name": login.application_name}
        self._login = login
        self._passed = passed
        self._is_in = False
        self._bytes_left = LONGEST_GREETING

    async def open(self) -> None:
        """Connect and log in. Raises what the driver raises, and `ConnectRefused`."""
        try:
            with self._protocol():
                await self._connect()
        except BaseException:
            self.close()
            raise
        self._is_in = True

    def escape(self, obj: Any) -> str:
        """A value as a literal; backslashes mean nothing, bytes are spelled in hexadecimal digits."""
        if isinstance(obj, bytes | bytearray | memoryview):
            return f"x'{bytes(obj).hex()}'"
        if isinstance(obj, list | tuple | set | frozenset):
            return f"({','.join(self.escape(each) for each in obj)})"
        escaped: str = super().escape(obj)
        return escaped

    async def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        """How many rows were touched by a statement that is complete."""
        async with self._patience():
            touched: int = await super().query(sql, unbuffered)
        return touched

    async def load(self, statement: str, data: Iterable[bytes | memoryview]) -> int:
        """How many rows were touched by a LOAD DATA LOCAL statement whose file has this content.

        What ends it early, an error of `data` or a cancellation, ends the connection: an end of the data
        would make the server keep what has come by then, the beginning of a row too.
        """
        async with self._patience():
            with self._protocol():
                await self._execute_command(COMMAND.COM_QUERY, statement)
                first = await self._read_packet()
            if not first.is_load_local_packet():
                self.close()
                raise err.InterfaceError("an answer to another statement")
            try:
                await self._send_all(data)
            except BaseException:
                self._abort()
                raise
            with self._protocol():
                result = MySQLResult(self)
                await result.read()
                self._result = result
        touched: int = result.affected_rows
        return touched

    async def _send_all(self, data: Iterable[bytes | memoryview]) -> None:
        """Never more than a packet waits here for a server that is slow."""
        for part in data:
            for start in range(0, len(part), _DATA_PACKET):
                self.write_packet(part[start : start + _DATA_PACKET])
                await self._room()
        self.write_packet(b"")
        await self._room()

    async def _room(self) -> None:
        """Wait until what was sent is taken. A server that hangs up leaves that waiting for ever: to asyncio
        the connection is still half open.
        """
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._writer.drain()
            except TimeoutError:
                if self._reader.at_eof():
                    raise err.OperationalError(errors.NO_ANSWER, "the server hung up") from None
            else:
                return

    def _abort(self) -> None:
        """End the connection without sending what waits to be sent."""
        if self._writer is not None:
            network.drop(self._writer.transport)
        self.close()

    async def commit(self) -> None:
        """Commit what was done."""
        async with self._patience():
            await super().commit()

    async def rollback(self) -> None:
        """Undo what was done."""
        async with self._patience():
            await super().rollback()

    async def select_db(self, db: str) -> None:
        """Make a database the current one."""
        async with self._patience():
            await super().select_db(db)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """The server's own bound of a statement holds only for servers that keep it."""
        try:
            async with asyncio.timeout(self._login.patience):
                yield
        except TimeoutError:
            self.close()
            raise err.OperationalError(errors.NO_ANSWER, "no answer in time") from None

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        self._passed("connect")
        # Whatever the server would like best: a login in clear text is never offered by us.
        if self._server_auth_plugin != "caching_sha2_password":
            self._client_auth_plugin = "mysql_native_password"

    async def _request_authentication(self) -> None:
        if self._login.context is not None:
            if self.server_capabilities & CLIENT.SSL:
                await self._encrypt(self._login.context)
                self._passed("tls")
            elif self._login.needs_tls:
                raise network.NO_TLS.failure()
        await super()._request_authentication()
        self._passed("authenticate")

    async def _encrypt(self, context: SSLContext) -> None:
        """Ask for TLS and go on in it. Bytes that came before it are thrown away: anybody can send them."""
        self.client_flag |= CLIENT.SSL | CLIENT.MULTI_RESULTS
        charset = charset_by_name(CHARSET).id
        self.write_packet(struct.pack("<iIB23x", self.client_flag, _MAX_PACKET, charset))
        transport = self._writer.transport
        transport.pause_reading()
        socket = transport.get_extra_info("socket").dup()
        transport.close()
        try:
            self._reader, self._writer = await asyncio.open_connection(
                sock=socket, ssl=context, server_hostname=self._login.host
            )
        except SSLError as error:
            raise network.encryption(error).failure() from None
        except OSError:
            raise ConnectRefused(step="tls", reason="the server gave up while agreeing on TLS") from None
        self._secure = True

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        name = plugin_name.decode("ascii", "replace")
        if name not in _HASHED and not (name == _CLEAR and self._login.is_verified):
            raise err.OperationalError(2059, "a kind of login that is not used here")
        return await super()._process_auth(plugin_name, auth_packet)

    async def _execute_command(self, command: int, sql: str | bytes) -> None:
        self._bytes_left = self._login.longest_answer
        await super()._execute_command(command, sql)

    async def _read_bytes(self, num_bytes: int) -> bytes:
        self._bytes_left -= num_bytes + _COST_OF_READING
        if self._bytes_left < 0:
            self.close()
            if not self._is_in:
                raise err.InterfaceError("a greeting of that length")
            raise err.OperationalError(errors.TOO_MUCH, "an answer of that length")
        data: bytes = await super()._read_bytes(num_bytes)
        return data

    async def _read_query_result(self, *, unbuffered: bool = False) -> None:
        with self._protocol():
            await super()._read_query_result(unbuffered=unbuffered)

    @contextmanager
    def _protocol(self) -> Iterator[None]:
        """Whoever sends something else than the protocol is not talked to any longer."""
        try:
            yield
        except _GARBAGE as error:
            self.close()
            raise err.InterfaceError("not the protocol of MySQL") from error

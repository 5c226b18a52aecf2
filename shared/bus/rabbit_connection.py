"""One connection to RabbitMQ: opened when somebody needs it, and again when it was lost.

The driver's own reconnecting is not used: it restores some of what was lost and tells nobody about the
rest. Here a lost connection is told to everyone who used it, and whoever comes next opens a new one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, TimeoutType

from shared.bus.rabbit_errors import BrokerUnreachable, reason_of
from shared.observe import logs
from shared.process.waiting import ours

CALL_SECONDS: Final = 5.0
"""How long the broker may take for one answer."""

_CONNECT_SECONDS: Final = 10.0
_END_SECONDS: Final = 3.0
_BLOCKED_SECONDS: Final = 0.01

_log = logs.get(__name__)

Prepare = Callable[[AbstractConnection], Awaitable[None]]


class Link:
    """A connection that is there when it is asked for.

    `prepare` is awaited with each new connection before anybody gets it. `heartbeat` is in seconds: after
    about three of them without a sign of life the connection is lost.
    """

    def __init__(self, url: str, *, name: str, heartbeat: int, prepare: Prepare) -> None:
        self.name = name
        self._url = url
        self._heartbeat = heartbeat
        self._prepare = prepare
        self._current: AbstractConnection | None = None
        self._attempt: asyncio.Task[AbstractConnection] | None = None
        self._doubted: AbstractConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """A new channel; with `confirms` it is for publishing. Raises BrokerUnreachable."""
        connection = await self._connection()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            self.doubt()
            raise BrokerUnreachable(reason=reason_of(error)) from error

    async def blocked(self) -> bool:
        """Whether the broker has said that it takes no messages on this connection for now."""
        transport = self._current.transport if self._current else None
        if transport is None:
            return False
        try:
            async with asyncio.timeout(_BLOCKED_SECONDS):
                await transport.ready()
        except TimeoutError:
            return True
        return False

    def doubt(self) -> None:
        """Something got no answer: find out whether the connection is alive, and drop it if not."""
        if self._current is not None and self._current is not self._doubted:
            self._doubted = self._current
            self._own(self._check(self._current))

    def release(self, channel: AbstractChannel) -> None:
        """Close a channel that nobody waits for any more."""
        self._own(_ended(channel))

    async def close(self) -> None:
        """Close the connection for ever."""
        self._closed = True
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        if self._current is not None:
            self._drop(self._current)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self) -> AbstractConnection:
        if self._current is not None and _is_open(self._current):
            return self._current
        if self._closed:
            raise BrokerUnreachable(reason="the bus is closed")
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._open(), name=f"connecting {self.name}")
            self._attempt.add_done_callback(_retrieved)
        try:
            return await asyncio.shield(self._attempt)
        except asyncio.CancelledError as error:
            if ours(error):
                raise
            raise BrokerUnreachable(reason="the bus is closed") from error

    async def _open(self) -> AbstractConnection:
        if self._current is not None:
            self._drop(self._current)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                connection = await self._dial()
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            raise BrokerUnreachable(reason=reason_of(error)) from error
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._prepare(connection)
        except BaseException as error:
            self._drop(connection)
            if not isinstance(error, Exception) and ours(error):
                raise
            raise BrokerUnreachable(reason=reason_of(error)) from error
        connection.close_callbacks.add(self._lost)
        self._current = connection
        _log.info("broker_connected", connection=self.name)
        return connection

    async def _dial(self) -> AbstractConnection:
        return await aio_pika.connect(
            self._url,
            heartbeat=self._heartbeat,
            client_properties={"connection_name": self.name},
            connection_class=_Connection,
        )

    def _lost(self, connection: Any, error: BaseException | None) -> None:
        if self._current is connection:
            self._current = None
            _log.warning("broker_lost", connection=self.name, reason=reason_of(error))

    async def _check(self, connection: AbstractConnection) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                channel = await connection.channel()
                await channel.close()
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            if self._current is connection and not await self.blocked():
                self._lost(connection, error)
                self._drop(connection)
        finally:
            self._doubted = None

    def _drop(self, connection: AbstractConnection) -> None:
        if self._current is connection:
            self._current = None
        self._own(_ended(connection))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Connection(aio_pika.Connection):
    """Closes itself when it can't connect.

    The driver's own does that when it is collected, which may be in a thread without an event loop.
    """

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109 - the driver's signature
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


def _is_open(connection: AbstractConnection) -> bool:
    """The connection's own flag stays up when the broker goes; the transport's doesn't."""
    return connection.transport is not None and connection.transport.connection.is_opened


async def _ended(closeable: AbstractConnection | AbstractChannel) -> None:
    try:
        async with asyncio.timeout(_END_SECONDS):
            await closeable.close()
    except (Exception, asyncio.CancelledError) as error:
        if ours(error):
            raise
        _log.debug("broker_left_without_goodbye", reason=reason_of(error))
        if isinstance(closeable, AbstractConnection):
            await closeable.close()  # at once: its transport is gone, and only the mark is missing


def _retrieved(attempt: "asyncio.Task[AbstractConnection]") -> None:
    """An attempt that failed when nobody waited for it any more is no news."""
    if not attempt.cancelled():
        attempt.exception()

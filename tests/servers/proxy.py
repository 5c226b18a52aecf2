"""A network that can fail: a proxy on loopback that passes, holds everything back, or cuts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes connections on to a port of loopback.

    What is held back isn't lost: like packets that nobody answers, it arrives once `heal` was called.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.accepted = 0
        self._target = target
        self._passing = _open()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Be a black hole: take what is sent, pass nothing on, and tell nobody."""
        self._passing.clear()

    def heal(self) -> None:
        """Pass everything on again, beginning with what was held back."""
        self._passing.set()

    def forget(self) -> None:
        """Be a black hole for the connections there are, for ever; new ones are passed on."""
        self._passing.clear()
        self._passing = _open()

    def cut(self) -> None:
        """Reset all connections there are; new ones are passed on."""
        for writer in self._writers:
            writer.transport.abort()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A new connection."""
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = self._passing
        self._writers.add(writer)
        try:
            await passing.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, far_writer, passing))
                tasks.create_task(_pump(far_reader, writer, passing))
            self._writers.discard(far_writer)
        except* OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def close(self) -> None:
        """End all connections."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event) -> None:
    try:
        while data := await reader.read(64 * 1024):
            await passing.wait()
            writer.write(data)
            await writer.drain()
        await passing.wait()
        writer.close()
    except BaseException:
        writer.transport.abort()
        raise


def _open() -> asyncio.Event:
    passing = asyncio.Event()
    passing.set()
    return passing


@asynccontextmanager
async def before(target: int) -> AsyncIterator[Proxy]:
    """A proxy before a port of loopback, on a port of its own."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()

"""Servers that let somebody in and then never answer, never stop answering, or answer nonsense."""

import asyncio
import struct
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from pymysql import err

from shared.engines import _mysql_errors as errors
from shared.engines import mysql
from shared.engines.errors import ConnectFailed
from shared.errors import Transient
from tests.contract.meta.targets import LOOPBACK, resource
from tests.unit.shared.engines.test_mysql import OK, Rogue, connect, listening

END = b"\xfe\x00\x00\x02\x00"
Packets = Callable[[], Iterator[bytes]]


def cell(value: bytes) -> bytes:
    return b"\xfd" + struct.pack("<I", len(value))[:3] + value


def column(name: bytes) -> bytes:
    named = cell(b"def") + cell(b"") * 3 + cell(name) * 2
    return named + b"\x0c" + struct.pack("<HIBHBH", 45, 1024, 253, 0, 0, 0)


def answer(*rows: tuple[bytes, ...], columns: int = 1) -> Packets:
    def packets() -> Iterator[bytes]:
        yield bytes([columns])
        yield from (column(b"c") for _ in range(columns))
        yield END
        yield from (b"".join(map(cell, row)) for row in rows)
        yield END

    return packets


def endless(row: bytes) -> Packets:
    def packets() -> Iterator[bytes]:
        yield from (b"\x01", column(b"c"), END)
        while True:
            yield cell(row)

    return packets


def done() -> Iterator[bytes]:
    yield OK


VERSION = answer((b"10.11.6-MariaDB",))
READY = (VERSION, done, done)
"""What `connect` asks for in its session, answered as it should be."""


class Host(Rogue):
    """Lets everybody in, gives these answers to statements, then none."""

    def __init__(self, *answers: Packets) -> None:
        super().__init__()
        self.says = answers
        self.sent = 0
        self.rest = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answers = (OK,)
        try:
            self._send(writer, 0, self.hello())
            self._send(writer, await self._receive(reader) + 1, OK)
            for packets in self.says:
                await self._receive(reader)
                for number, packet in zip(count(1), packets(), strict=False):
                    self._send(writer, number % 256, packet)
                    self.sent += len(packet)
                    if number % 100 == 0 or len(packet) > 1000:
                        await writer.drain()
            self.rest = await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


NONSENSE = {
    "no row": answer(),
    "two rows": answer((b"1",), (b"2",)),
    "two columns": answer((b"1", b"2"), columns=2),
    "no rows at all": done,
}


@pytest.mark.parametrize("version", NONSENSE.values(), ids=NONSENSE)
async def test_a_server_that_does_not_tell_its_version_is_none_of_mysql(version: Packets) -> None:
    async with listening(Host(version)) as target:
        failure = await connect(target)
    assert (failure.step, failure.reason) == ("connect", "the server doesn't speak MySQL's protocol")


async def test_a_version_of_many_digits_is_no_number() -> None:
    async with listening(Host(answer((b"9" * 5000 + b".1",)), done, done)) as target:
        connection = await mysql.connect(resource(target), policy=LOOPBACK, application_name="test")
    assert mysql.server_of(connection).version[0] <= 9999
    connection.close()


@pytest.mark.parametrize("row", [b"x" * 200, b"x" * 1_000_000], ids=["small rows", "large rows"])
async def test_an_answer_that_never_ends_is_given_up(row: bytes) -> None:
    host = Host(endless(row))
    async with listening(host) as target:
        failure = await connect(target)
    assert failure.reason == "the server sent more than is read of one answer"
    assert host.sent < 3 * mysql.LONGEST_ANSWER


async def test_an_answer_may_be_as_long_as_was_asked_for() -> None:
    long = answer(*[(b"x" * 1000,)] * 10)
    async with listening(Host(*READY, long, long)) as target:
        connection = await mysql.connect(
            resource(target), policy=LOOPBACK, application_name="test", longest_answer=15_000
        )
        assert await connection.query("SELECT 1") == 10
        assert await connection.query("SELECT 1") == 10
        connection.close()
    async with listening(Host(*READY, answer(*[(b"x" * 1000,)] * 20))) as target:
        connection = await mysql.connect(
            resource(target), policy=LOOPBACK, application_name="test", longest_answer=15_000
        )
        with pytest.raises(err.OperationalError) as caught:
            await connection.query("SELECT 1")
    assert mysql.is_lost(caught.value)


async def test_a_server_that_asks_for_a_file_gets_what_is_loaded_and_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")

    def asked() -> Iterator[bytes]:
        yield b"\xfb" + str(secret).encode()

    for work, sent in (("load", b"ours"), ("query", b"SELECT 1")):
        host = Host(*READY, asked, done)
        async with listening(host) as target:
            connection = await mysql.connect(
                resource(target), policy=LOOPBACK, application_name="test", read_only=False
            )
            with pytest.raises(err.Error):
                await asyncio.wait_for(
                    getattr(connection, work)("SELECT 1", *[[b"ours"]] * (work == "load")), 5
                )
            with pytest.raises(err.InterfaceError):
                await connection.query("SELECT 1")
        assert sent in b"".join(host.arrived) + host.rest
        assert b"canary" not in b"".join(host.arrived) + host.rest


async def test_a_server_that_stops_answering_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_PATIENCE_SECONDS", 0.05)
    for work in ("query", "commit", "rollback", "select_db"):
        async with listening(Host(*READY)) as target:
            connection = await mysql.connect(
                resource(target), policy=LOOPBACK, application_name="test", statement_timeout=0.05
            )
            with pytest.raises(err.OperationalError) as caught:
                await getattr(connection, work)(*["x"] * (work in {"query", "select_db"}))
        assert mysql.number_of(caught.value) == errors.NO_ANSWER
        assert mysql.is_lost(caught.value)
        assert isinstance(mysql.failure_of(caught.value), ConnectFailed | Transient)

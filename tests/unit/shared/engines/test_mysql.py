"""What a rogue server of MySQL learns of us, and how failures are told."""

import asyncio
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from pymysql import err
from pymysql.constants import CLIENT

from shared.contracts.connection import MysqlConnection
from shared.engines import mysql
from shared.engines.errors import ConnectFailed, IdentifierInvalid
from shared.errors import Terminal, Transient
from shared.security.guard import OutboundPolicy
from tests.contract.meta.targets import LOOPBACK, resource

PASSWORD = "hush-hush"
CAPABLE = CLIENT.CAPABILITIES | CLIENT.CONNECT_WITH_DB
OK = b"\x00\x00\x00\x02\x00\x00\x00"


def greeting(plugin: str, capabilities: int = CAPABLE) -> bytes:
    low, high = struct.pack("<H", capabilities & 0xFFFF), struct.pack("<H", capabilities >> 16)
    return (
        b"\x0a8.0.99-rogue\x00"
        + struct.pack("<I", 7)
        + b"s" * 8
        + b"\x00"
        + low
        + b"\x2d\x02\x00"
        + high
        + bytes([21])
        + bytes(10)
        + b"t" * 12
        + b"\x00"
        + plugin.encode()
        + b"\x00"
    )


class Rogue:
    """A listener that greets, keeps what arrives and sends its answers, one after each packet."""

    def __init__(self, *answers: bytes, plugin: str = "mysql_native_password") -> None:
        self.answers = answers
        self.plugin = plugin
        self.arrived: list[bytes] = []

    def hello(self) -> bytes:
        return greeting(self.plugin)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._send(writer, 0, self.hello())
            for answer in self.answers:
                number = await self._receive(reader)
                self._send(writer, number + 1, answer)
            await self._receive(reader)
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    def _send(self, writer: asyncio.StreamWriter, number: int, payload: bytes) -> None:
        writer.write(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)

    async def _receive(self, reader: asyncio.StreamReader) -> int:
        header = await reader.readexactly(4)
        self.arrived.append(await reader.readexactly(int.from_bytes(header[:3], "little")))
        return header[3]


@asynccontextmanager
async def listening(rogue: Rogue) -> AsyncIterator[MysqlConnection]:
    server = await asyncio.start_server(rogue, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield MysqlConnection(host="127.0.0.1", port=port, user="me", password=SecretStr(PASSWORD))


async def connect(target: MysqlConnection, policy: OutboundPolicy = LOOPBACK) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await mysql.connect(resource(target), policy=policy, application_name="test", timeout=5)
    return caught.value


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "mysql_old_password", "dialog"])
async def test_a_server_that_asks_for_the_password_itself_does_not_get_it(plugin: str) -> None:
    rogue = Rogue(b"\xfe" + plugin.encode() + b"\x00" + b"s" * 20 + b"\x00", plugin=plugin)
    async with listening(rogue) as target:
        failure = await connect(target)
    assert failure.step == "authenticate"
    assert rogue.arrived
    assert not any(PASSWORD.encode() in packet for packet in rogue.arrived)


async def test_a_mode_that_needs_tls_says_nothing_to_a_server_without_it() -> None:
    rogue = Rogue()
    async with listening(rogue) as target:
        failure = await connect(target.model_copy(update={"tls": "require"}))
    assert failure.step == "tls"
    assert rogue.arrived == []


async def test_a_server_that_asks_for_a_local_file_gets_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    rogue = Rogue(OK, b"\xfb" + str(secret).encode())
    async with listening(rogue) as target:
        failure = await connect(target)
    assert failure.step == "connect"
    assert isinstance(failure, Terminal)
    assert not any(b"canary" in packet for packet in rogue.arrived)


async def test_nothing_of_our_environment_reaches_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".my.cnf").write_text("[client]\nuser=canary\npassword=canary\n")
    for name in ("HOME", "MYSQL_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("MYSQL_PWD", "canary")
    rogue = Rogue(OK)
    async with listening(rogue) as target:
        await connect(target)
    assert b"me\x00" in rogue.arrived[0]
    assert not any(word in rogue.arrived[0] for word in (b"canary", b"_pid", b"aiomysql"))
    assert b"SELECT VERSION()" in rogue.arrived[1]


@pytest.mark.parametrize(
    "bytes_sent", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff\xff\xff\x00" + b"x" * 70_000, b"\x01\x00\x00\x00\x0a"]
)
async def test_what_speaks_something_else_is_told_as_that(bytes_sent: bytes) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes_sent)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failure = await connect(MysqlConnection(host="127.0.0.1", port=port, user="me"))
    assert (failure.step, failure.reason) == ("connect", "the server doesn't speak MySQL's protocol")


async def test_a_refusal_of_the_guard_names_its_setting() -> None:
    failure = await connect(MysqlConnection(host="127.0.0.1", port=5, user="me"), OutboundPolicy())
    assert failure.step == "resolve"
    assert "PENSTOCK_OUTBOUND_ALLOW_LOOPBACK" in str(failure)


async def test_a_closed_port_can_be_tried_again() -> None:
    async with listening(Rogue()) as target:
        pass
    failure = await connect(target)
    assert (failure.step, failure.reason) == ("connect", "nothing listens on that port")
    assert isinstance(failure, Transient)


@pytest.mark.parametrize(
    ("error", "step", "kind", "lost"),
    [
        (err.OperationalError(1045, "for user 'x'"), "authenticate", Terminal, False),
        (err.OperationalError(1049, "x"), "database", Terminal, False),
        (err.OperationalError(1040, "x"), "connect", Transient, False),
        (err.OperationalError(2013, "x"), "connect", Transient, True),
        (err.InternalError(1927, "killed"), "connect", Transient, True),
        (err.InternalError("Packet sequence number wrong"), "connect", Terminal, True),
        (err.ProgrammingError(1064, "near x"), "database", Terminal, False),
        (ssl.SSLCertVerificationError("x"), "tls", Terminal, True),
        (ConnectionResetError(), "connect", Transient, True),
        (OSError("no route"), "connect", Transient, True),
    ],
)
def test_each_error_of_the_driver_is_a_step(
    error: Exception, step: str, kind: type[Exception], lost: bool
) -> None:
    assert isinstance(error, mysql.DRIVER_ERRORS)
    failure = mysql.failure_of(error)
    assert failure.step == step
    assert isinstance(failure, kind)
    assert mysql.is_lost(error) is lost
    assert " x" not in str(failure)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a\x00b", "NUL"),
        ("\ud800", "Unicode"),
        ("ä" * 65, "64"),
        ("a ", "blank"),
        ("a\t", "blank"),
        ("😀", "emoji"),
    ],
)
def test_a_name_that_the_server_would_not_keep_is_refused_at_its_place(name: str, reason: str) -> None:
    with pytest.raises(IdentifierInvalid, match=reason) as caught:
        mysql.check_identifier(name, ("columns", 3, "name"))
    assert caught.value.all_faults()[0].loc == ("columns", 3, "name")
    assert mysql.check_identifier("ä" * 64) == "ä" * 64


def test_who_never_connects_never_pays_for_the_driver() -> None:
    imports = "import services.meta.scanners.mysql, shared.engines.probe, sys"
    found = subprocess.run(
        [sys.executable, "-c", f"{imports}; print({{'aiomysql', 'pymysql'}} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    )
    assert found.stdout.strip() == "set()"

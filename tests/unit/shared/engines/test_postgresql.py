"""What a rogue server learns of us, and how failures are told."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from shared.contracts.connection import PostgresqlConnection
from shared.engines import postgresql
from shared.engines.errors import ConnectFailed
from shared.errors import Terminal, Transient
from shared.security.guard import OutboundPolicy
from tests.contract.meta.targets import LOOPBACK, resource

_SSL_REQUEST = 80877103
_REFUSED = b"SFATAL\x00C28P01\x00Mno, and here is a detail of the server\x00\x00"


class Rogue:
    """A listener that asks for a password in clear text and keeps what arrives."""

    def __init__(self) -> None:
        self.startup = b""
        self.password: bytes | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size, code = struct.unpack("!ii", await reader.readexactly(8))
            if code == _SSL_REQUEST:
                writer.write(b"N")
                size, code = struct.unpack("!ii", await reader.readexactly(8))
            self.startup = await reader.readexactly(size - 8)
            writer.write(b"R" + struct.pack("!ii", 8, 3))
            _, size = struct.unpack("!ci", await reader.readexactly(5))
            self.password = await reader.readexactly(size - 4)
            writer.write(b"E" + struct.pack("!i", len(_REFUSED) + 4) + _REFUSED)
            await writer.drain()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def listening(rogue: Rogue) -> AsyncIterator[int]:
    server = await asyncio.start_server(rogue, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(target: PostgresqlConnection, policy: OutboundPolicy = LOOPBACK) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await postgresql.connect(resource(target), policy=policy, application_name="test", timeout=5)
    return caught.value


async def test_a_rogue_server_gets_no_password_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rogue = Rogue()
    async with listening(rogue) as port:
        (tmp_path / ".pgpass").write_text(f"127.0.0.1:{port}:*:*:canary\n")
        (tmp_path / ".pgpass").chmod(0o600)
        for name, value in {
            "HOME": str(tmp_path),
            "PGPASSFILE": str(tmp_path / ".pgpass"),
            "PGPASSWORD": "canary",
            "PGUSER": "canary",
            "PGOPTIONS": "-c canary=1",
        }.items():
            monkeypatch.setenv(name, value)
        failure = await connect(PostgresqlConnection(host="127.0.0.1", port=port, user="me"))
    assert rogue.password == b"\x00"
    assert b"canary" not in rogue.startup
    assert failure.step == "authenticate"
    assert "detail of the server" not in str(failure)


async def test_a_mode_that_needs_tls_never_sends_a_password_without_it() -> None:
    rogue = Rogue()
    async with listening(rogue) as port:
        failure = await connect(
            PostgresqlConnection(
                host="127.0.0.1", port=port, user="me", password=SecretStr("hush"), tls="require"
            )
        )
    assert failure.step == "tls"
    assert (rogue.startup, rogue.password) == (b"", None)


async def test_a_refusal_of_the_guard_names_its_setting() -> None:
    target = PostgresqlConnection(host="127.0.0.1", port=5, user="me")
    failure = await connect(target, OutboundPolicy())
    assert failure.step == "resolve"
    assert "PENSTOCK_OUTBOUND_ALLOW_LOOPBACK" in str(failure)


@pytest.mark.parametrize("host", ["var", "nonexistent.invalid"])
async def test_a_host_is_never_taken_for_a_socket_folder(host: str) -> None:
    assert (await connect(PostgresqlConnection(host=host, user="me"))).step == "resolve"


async def test_a_closed_port_can_be_tried_again() -> None:
    async with listening(Rogue()) as port:
        pass
    failure = await connect(PostgresqlConnection(host="127.0.0.1", port=port, user="me"))
    assert failure.step == "connect"
    assert isinstance(failure, Transient)


def test_certificates_are_checked_for_the_host_that_was_configured() -> None:
    target = PostgresqlConnection(host="db.example.com", user="me", tls="verify-full")
    context = postgresql.tls_context(target)
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    made = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="203.0.113.7")
    assert made.server_hostname == "db.example.com"


@pytest.mark.parametrize(
    ("error", "step", "kind"),
    [
        (asyncpg.InvalidPasswordError("x"), "authenticate", Terminal),
        (asyncpg.InvalidCatalogNameError("x"), "database", Terminal),
        (asyncpg.TooManyConnectionsError("x"), "connect", Transient),
        (asyncpg.CannotConnectNowError("x"), "connect", Transient),
        (asyncpg.ConnectionDoesNotExistError("x"), "connect", Transient),
        (asyncpg.SyntaxOrAccessError("x"), "database", Terminal),
        (ssl.SSLCertVerificationError("x"), "tls", Terminal),
        (ConnectionResetError(), "connect", Transient),
        (OSError("no route"), "connect", Transient),
        (ValueError("nonsense"), "connect", Terminal),
    ],
)
def test_each_error_of_the_driver_is_a_step(error: Exception, step: str, kind: type[Exception]) -> None:
    failure = postgresql.failure_of(error)
    assert failure.step == step
    assert isinstance(failure, kind)

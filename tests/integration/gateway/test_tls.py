"""With a certificate the one port speaks HTTPS."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.gateway.backend import Backend
from tests.integration.gateway.conftest import skipping_without_nginx
from tests.integration.gateway.wire import ask
from tests.servers import nginx
from tests.servers.nginx import Gateway


@pytest.fixture(scope="module")
def certificate() -> nginx.Certificate:
    """A certificate of its own authority for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway under test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return nginx.Certificate(
        made.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


@pytest.fixture
def trusting(certificate: nginx.Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.chain)


@pytest.fixture
def gateway(backend: Backend, certificate: nginx.Certificate) -> Iterator[Gateway]:
    upstreams = nginx.fixed(dict.fromkeys(nginx.SERVICES, backend.address))
    with skipping_without_nginx(), nginx.running(upstreams, certificate=certificate) as gateway:
        yield gateway


async def test_https_is_served_and_remembered_by_browsers(
    gateway: Gateway, backend: Backend, trusting: ssl.SSLContext
) -> None:
    answer = await ask(gateway.port, "/api/system/v1/me", tls=trusting)
    assert (answer.status, answer.header("strict-transport-security")) == (200, "max-age=31536000")
    assert backend.seen[0].headers["x-forwarded-proto"] == "https"
    missing = await ask(gateway.port, "/api/none", tls=trusting)
    assert (missing.status, missing.header("strict-transport-security")) == (404, "max-age=31536000")


async def test_a_plain_request_is_sent_on_to_https_on_the_same_port(
    gateway: Gateway, backend: Backend
) -> None:
    host = f"127.0.0.1:{gateway.port}"
    answer = await ask(gateway.port, "/tasks?a=1", method="POST", headers={"Host": host}, body=b"x")
    assert (answer.status, answer.header("location")) == (308, f"https://{host}/tasks?a=1")
    assert backend.seen == []


@pytest.mark.parametrize("offered", ["h2", "http/1.1"])
async def test_http_2_and_1_are_spoken_with_the_current_version_of_tls(
    gateway: Gateway, trusting: ssl.SSLContext, offered: str
) -> None:
    trusting.set_alpn_protocols([offered])
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=trusting)
    spoken = writer.get_extra_info("ssl_object")
    assert (spoken.selected_alpn_protocol(), spoken.version()) == (offered, "TLSv1.3")
    writer.transport.abort()  # HTTP/2 has spoken first; an orderly end would have to listen

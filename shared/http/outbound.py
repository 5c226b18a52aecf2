"""HTTP requests to places that tenants name: every address is checked, also behind each redirection.

The address that was checked is the one that is connected to, whatever the name would answer a moment later.
"""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.engines import network
from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused
from shared.security import guard

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEPT: Final = frozenset({"accept", "accept-encoding", "user-agent"})
"""Headers that go along to another origin."""

_PORTS: Final = {"http": 80, "https": 443}

SLOWEST: Final = 64 << 10
"""Bytes of a body that a place takes in a second at least: whoever takes none isn't waited for."""

Answer = aiohttp.ClientResponse
"""What a place answers: its status, its headers, and its content as a stream."""


class Outbound:
    """A session of requests under a policy. `seconds` bound the wait for a connection and for each answer's
    next bytes, and a body has to be taken at some pace; how long a whole answer may take is its reader's
    business.
    """

    def __init__(self, policy: guard.OutboundPolicy, *, seconds: float = 30.0) -> None:
        self._policy = policy
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin, in the event loop that the requests run in; for whoever has no context to enter."""
        connector = aiohttp.TCPConnector(resolver=_Checked(self._policy), use_dns_cache=False, limit=8)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._seconds, sock_read=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """End the connections. May be called again, and before `open`."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        redirected: bool = True,
        unpacked: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with any status, its content unread. Raises ConnectFailed.

        Redirections of a GET are followed when `redirected`; credentials stay behind when they lead to
        another origin. The URL is sent as it is spelled. Content that says how it is packed comes
        `unpacked`, or byte by byte as it was sent.
        """
        target, sent = _url(url), dict(headers or {})
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._answer(method, target, headers=sent, body=body, unpacked=unpacked)
            async with answer:
                if not (redirected and method == "GET" and answer.status in _REDIRECTS):
                    try:
                        yield answer
                    except aiohttp.ClientError as error:  # an OSError of the caller is the caller's own
                        raise _failure(error, self._seconds) from None
                    return
                place = _place(target, answer.headers.get("Location", ""))
            target, sent = place, _kept(target, place, sent)
        raise ConnectRefused(step="connect", reason=f"it redirects more than {MAX_REDIRECTS} times")

    async def _answer(
        self,
        method: str,
        url: yarl.URL,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        unpacked: bool,
    ) -> aiohttp.ClientResponse:
        assert self._session is not None
        with _named_failures(self._seconds):
            # A host that is an address already is never resolved: it is checked here.
            await network.resolve(url.host or "", url.port or _PORTS[url.scheme], self._policy)
            # From bytes as such aiohttp would copy a large body at once.
            data = io.BytesIO(body) if body is not None else None
            # aiohttp bounds the wait for an answer, but not that for a body to be taken.
            async with asyncio.timeout(2 * self._seconds + len(body) / SLOWEST if body else None):
                return await self._session.request(
                    method, url, headers=headers, data=data, allow_redirects=False, auto_decompress=unpacked
                )


def _url(text: str) -> yarl.URL:
    """The URL as it is spelled. Raises ConnectRefused."""
    try:
        return yarl.URL(text, encoded=True)
    except ValueError:
        raise ConnectRefused(step="connect", reason="its address is no plain HTTP address") from None


def _place(before: yarl.URL, location: str) -> yarl.URL:
    """Where a redirection leads. Raises ConnectRefused for what is not to be followed."""
    try:
        after = yarl.URL(urljoin(str(before), location), encoded=True)
        usable = after.scheme in _PORTS and after.host and after.port and after.user is after.password is None
    except ValueError:
        usable = False
    if not usable:
        raise ConnectRefused(step="connect", reason="it redirects to what is no plain HTTP address")
    if before.scheme == "https" and after.scheme == "http":
        raise ConnectRefused(step="connect", reason="it redirects from HTTPS to plain HTTP")
    return after


def _kept(before: yarl.URL, after: yarl.URL, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that go along."""
    if before.origin() == after.origin():
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() in _KEPT}


class _Checked(AbstractResolver):
    """Resolves names by the guard: only what the policy allows is ever connected to."""

    def __init__(self, policy: guard.OutboundPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await network.resolve(host, port, self._policy)
            if family in (socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET)
        ]

    async def close(self) -> None:
        """Nothing is held."""


@contextmanager
def _named_failures(seconds: float) -> Iterator[None]:
    """Failures of the network as ConnectFailed, without what they quote."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error, seconds) from None


def _failure(error: Exception, seconds: float) -> ConnectFailed:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return ConnectRefused(step="tls", reason="the server's certificate can't be verified")
    if isinstance(error, ssl.SSLError):
        return ConnectRefused(step="tls", reason="the server speaks no TLS that we know")
    if isinstance(error, TimeoutError):
        return ConnectFailedForNow(step="connect", reason=f"no answer within {seconds:g} seconds")
    if isinstance(error, OSError):
        return ConnectFailedForNow(step="connect", reason="the server can't be reached")
    return ConnectFailedForNow(step="connect", reason="the connection broke before the answer's end")

"""Requests to one bucket: signed, sent by the guarded session, tried again where that can help."""

import asyncio
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from shared import clock
from shared.contracts.connection import S3Connection
from shared.engines import _s3_answers as answers
from shared.engines import _s3_signing as signing
from shared.engines.errors import ConnectFailedForNow, ConnectRefused
from shared.http.outbound import Outbound
from shared.process.waiting import Backoff

T = TypeVar("T")
MAX_KEY_BYTES: Final = 1024
_PAUSES: Final = Backoff(first=0.25, longest=8.0)
_REFUSAL_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `key` is below the connection's prefix, empty for the bucket itself."""

    method: str
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Requests:
    """Requests to a bucket, each tried up to `tries` times while the store has trouble."""

    def __init__(self, connection: S3Connection, outbound: Outbound, *, tries: int) -> None:
        self._connection = connection
        self._outbound = outbound
        self._tries = tries
        self._base = _base_of(connection)

    @asynccontextmanager
    async def answer(self, asked: Asked) -> AsyncIterator[Any]:
        """An answer with a status of success, its content unread. Raises ConnectFailed."""
        async with AsyncExitStack() as stack:
            yield await self.tried(lambda: stack.enter_async_context(self.once(asked)))

    async def done(self, asked: Asked) -> Mapping[str, str]:
        """The headers of an answer whose content doesn't matter. Raises ConnectFailed."""
        async with self.answer(asked) as found:
            return found.headers  # type: ignore[no-any-return]  # aiohttp's, whose types mypy doesn't follow here

    async def xml(self, asked: Asked, *, most: int = answers.ANSWER_BYTES) -> ET.Element:
        """An answer of at most so many bytes as a tree. Raises ConnectFailed."""
        return await self.tried(partial(self._xml, asked, most))

    async def tried(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives at last: it is done again, after a pause, where it may help."""
        failures = 0
        while True:
            try:
                return await work()
            except ConnectFailedForNow as error:
                failures += 1
                await self.pause(failures, error)

    async def pause(self, failures: int, error: ConnectFailedForNow) -> None:
        """Wait before the next try. Raises the error where there were enough of them in a row."""
        if failures >= self._tries:
            raise error
        await asyncio.sleep(_PAUSES.seconds(failures))

    async def _xml(self, asked: Asked, most: int) -> ET.Element:
        async with self.once(asked) as found:
            tree = answers.tree(await _read(found, most))
        if (failure := answers.failure_in(tree)) is not None:
            raise failure
        return tree

    @asynccontextmanager
    async def once(self, asked: Asked) -> AsyncIterator[Any]:
        """As `answer`, without another try."""
        url = self._url(asked)
        sent = {**self._signed(asked, url), "accept-encoding": "identity"}
        async with self._outbound.send(
            asked.method, url, headers=sent, body=asked.body, redirected=False, unpacked=False
        ) as found:
            if found.status >= HTTPStatus.MULTIPLE_CHOICES:
                text = await _read(found, _REFUSAL_BYTES)
                raise answers.refusal(found.status, found.headers, text, key=asked.key)
            yield found

    def _url(self, asked: Asked) -> str:
        key = _checked(self._connection.prefix + asked.key) if asked.key else ""
        query = "&".join(
            f"{signing.encoded(name)}={signing.encoded(value)}" for name, value in asked.query.items()
        )
        return f"{self._base}/{signing.encoded(key, slash=True)}" + (f"?{query}" if query else "")

    def _signed(self, asked: Asked, url: str) -> Mapping[str, str]:
        given = self._connection
        if not given.access_key:
            return asked.headers
        payload = signing.EMPTY_SHA256 if not asked.body else hashlib.sha256(asked.body).hexdigest()
        return signing.signed(
            asked.method,
            url,
            headers=asked.headers,
            payload_sha256=payload,
            access_key=given.access_key,
            secret_key=given.secret_key.get_secret_value(),
            region=given.region,
            moment=clock.now(),
        )


async def _read(found: Any, most: int) -> bytes:
    text = b""
    while len(text) < most and (more := await found.content.read(most - len(text))):
        text += more
    return text


def _checked(key: str) -> str:
    """The key, if it can only mean one place: stores, and what stands before them, resolve dots as paths."""
    if {".", ".."}.intersection(key.split("/")) or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        raise ConnectRefused(
            step="database",
            reason="the key of an object has a part '.' or '..', or is too long",
            hint=f"Keys have at most {MAX_KEY_BYTES} bytes.",
        )
    return key


def _base_of(connection: S3Connection) -> str:
    endpoint = connection.endpoint or f"https://s3.{connection.region}.amazonaws.com"
    if connection.path_style:
        return f"{endpoint}/{connection.bucket}"
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{connection.bucket}.{parts.netloc}{parts.path}"

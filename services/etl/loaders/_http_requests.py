"""Requests for pages: sent again while the API has trouble, at its pace, answers within limits."""

import asyncio
import hashlib
import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from services.etl.loaders._base import SourceFile
from services.etl.loaders._http_errors import (
    AccessForbidden,
    AccessRefused,
    AnswersTooLong,
    AnswerTooLong,
    StatusUnexpected,
)
from services.etl.loaders._http_paging import Ask, Page
from services.etl.loaders._http_params import Asking
from services.etl.pipeline.errors import SourceBusy
from services.etl.pipeline.json_paths import dumps, parse_path
from shared import clock
from shared.contracts.connection import HttpConnection
from shared.engines import http
from shared.engines.errors import ConnectFailedForNow
from shared.http.outbound import Answer, Outbound
from shared.security.guard import OutboundPolicy

BACKOFF_SECONDS: Final = 0.5
MAX_BACKOFF_SECONDS: Final = 30.0
MAX_WAIT_SECONDS: Final = 300.0
"""An API that wants to be left alone for longer makes the run wait for another attempt."""

_AGAIN: Final = frozenset({
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
})  # fmt: skip
_GOOD: Final = frozenset({
    HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NON_AUTHORITATIVE_INFORMATION, HTTPStatus.NO_CONTENT,
})  # fmt: skip
_DEFAULTS: Final = frozenset({"accept", "user-agent"})
"""Headers of ours that a task may set in its own way."""

_REASONS: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "it does not understand what it is asked",
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "the path takes another method",
    HTTPStatus.GONE: "what was there is gone",
    HTTPStatus.UNPROCESSABLE_ENTITY: "it does not accept what it is asked",
}


class _Trouble(Exception):
    """The API could not answer: why, and how long it wants to be left alone."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class Requests:
    """Asks an API for its pages, one at a time, in the event loop of whoever calls.

    Raises ConnectFailed, SourceBusy or SourceInvalid.
    """

    def __init__(
        self, params: Asking, connection: HttpConnection, policy: OutboundPolicy, *, folder: Path
    ) -> None:
        self._params = params
        self._connection = connection
        self._outbound = Outbound(policy, seconds=min(params.timeout_seconds, 60.0))
        self._folder = folder
        self._opened = False
        self._earliest = 0.0
        self.bytes_read = 0

    async def page(self, ask: Ask) -> Page:
        """The answer, in a file of the folder."""
        if not self._opened:
            await self._outbound.open()
            self._opened = True
        for attempt in range(1, self._params.attempts + 1):
            before = self.bytes_read
            await self._turn()
            try:
                async with asyncio.timeout(self._params.timeout_seconds):
                    return await self._answer(ask)
            except TimeoutError:
                seconds = self._params.timeout_seconds
                trouble = _Trouble(f"it took longer than {seconds:g} seconds for its answer")
            except ConnectFailedForNow as error:
                trouble = _Trouble(error.reason)
            except _Trouble as found:
                trouble = found
            self.bytes_read = before
            await self._wait(trouble, attempt)
        raise AssertionError("the last attempt raises")

    async def close(self) -> None:
        """End the connections."""
        await self._outbound.close()

    async def _turn(self) -> None:
        """Wait until the pace of requests allows another one."""
        if self._params.requests_per_second is None:
            return
        now = asyncio.get_running_loop().time()
        begin = max(now, self._earliest)
        self._earliest = begin + 1 / self._params.requests_per_second
        await asyncio.sleep(begin - now)

    async def _wait(self, trouble: _Trouble, attempt: int) -> None:
        """Wait for the next attempt. Raises SourceBusy when there is none, or it would be too late."""
        if attempt == self._params.attempts:
            times = f" ({attempt} attempts)" if attempt > 1 else ""
            raise SourceBusy(reason=f"{trouble.reason}{times}") from None
        if (asked := trouble.wait) is not None:
            if asked > MAX_WAIT_SECONDS:
                reason = f"{trouble.reason}, and wants to be left alone for {asked:.0f} seconds"
                raise SourceBusy(reason=reason) from None
            await asyncio.sleep(asked + random.uniform(0, BACKOFF_SECONDS))  # noqa: S311  no secret
            return
        most = min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt)
        await asyncio.sleep(random.uniform(most / 2, most))  # noqa: S311  as above

    async def _answer(self, ask: Ask) -> Page:
        url, headers, body = self._request(ask)
        async with self._outbound.send(self._params.method, url, headers=headers, body=body) as answer:
            _check(answer)
            path = self._folder / f"page-{ask.number}"
            size, digest = await self._kept(answer, path)
            return Page(
                SourceFile(path, size, None, f"page {ask.number}"),
                url=str(answer.url),
                links=tuple(answer.headers.getall("Link", ())),
                digest=digest,
                empty=answer.status == HTTPStatus.NO_CONTENT,
            )

    async def _kept(self, answer: Answer, path: Path) -> tuple[int, bytes]:
        size, digest = 0, hashlib.sha256()
        with path.open("wb") as file:
            async for part in answer.content.iter_any():
                size += len(part)
                self.bytes_read += len(part)
                if size > self._params.max_page_mib << 20:
                    raise AnswerTooLong(limit=self._params.max_page_mib)
                if self.bytes_read > self._params.max_total_mib << 20:
                    raise AnswersTooLong(limit=self._params.max_total_mib)
                digest.update(part)
                file.write(part)
        return size, digest.digest()

    def _request(self, ask: Ask) -> tuple[str, dict[str, str], bytes | None]:
        params = self._params
        in_body = params.parameters_in == "body"
        if ask.url is not None:
            url, fixed = http.request_to(self._connection, ask.url)
        else:
            added = {} if in_body else {name: str(value) for name, value in ask.parameters.items()}
            url, fixed = http.request_of(self._connection, params.path, query=dict(params.query) | added)
        headers = _with_own(fixed, params.headers)
        if params.method == "GET" or (params.body is None and not in_body):
            return url, headers, None
        tree = _with_parameters(params.body or {}, ask.parameters if in_body else {})
        return url, headers | {"Content-Type": "application/json"}, dumps(tree).encode(errors="replace")


def _check(answer: Answer) -> None:
    """Raise what a status means that brings no page."""
    status = answer.status
    if status in _GOOD:
        return
    if status in _AGAIN:
        raise _Trouble(f"it answers with status {status}", wanted_wait(answer.headers.get("Retry-After")))
    if status == HTTPStatus.UNAUTHORIZED:
        raise AccessRefused(status=status)
    if status == HTTPStatus.FORBIDDEN:
        raise AccessForbidden(status=status)
    moved = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    reason = "it wants to be asked elsewhere" if moved else _REASONS.get(status, "that brings no page")
    raise StatusUnexpected(status=status, reason=reason)


def wanted_wait(text: str | None) -> float | None:
    """The seconds of a Retry-After, given as such or as a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal() and text.isascii():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - clock.now()).total_seconds())


def _with_own(fixed: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The task's own headers, and ours: what says who asks is never replaced."""
    names = {name.lower() for name in own}
    kept = {name: value for name, value in fixed.items() if name.lower() not in names & _DEFAULTS}
    ours = {name.lower() for name in kept}
    return kept | {name: value for name, value in own.items() if name.lower() not in ours}


def _with_parameters(body: Mapping[str, Any], parameters: Mapping[str, int | str]) -> dict[str, Any]:
    """The body with each parameter at its path; what is in the way of a path is replaced."""
    made = dict(body)
    for name, value in parameters.items():
        *outer, last = map(str, parse_path(name))
        place = made
        for key in outer:
            inside = place.get(key)
            place[key] = dict(inside) if isinstance(inside, dict) else {}
            place = place[key]
        place[last] = value
    return made

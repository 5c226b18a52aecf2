"""Calling another Penstock service: typed, authenticated, bounded, retried where that is safe."""

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, TypeVar, overload

import aiohttp
import stamina
import yarl
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.http import remote
from shared.http.credentials import ClientCredentials, ServiceToken, TokenAnswer
from shared.http.paging import Page
from shared.http.remote import RemoteProblem, RemoteRefusal, RemoteTrouble, ServiceUnreachable
from shared.observe import context

__all__ = [
    "ClientCredentials",
    "RemoteProblem",
    "RemoteRefusal",
    "RemoteTrouble",
    "ServiceClient",
    "ServiceUnreachable",
]

T = TypeVar("T")

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PAGE: Final = 500
_MAX_ANSWER: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: yarl.URL
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


class ServiceClient:
    """The client of one service.

    `base_url` is the service's prefix on its host, such as `http://system:8080/api/system/v1`. GET, PUT,
    DELETE and calls with an idempotency key are tried again when the service can't be reached or asks for
    it; `seconds` bound one attempt, `patience` seconds is how long new attempts begin. With `credentials`
    every call carries a service token of System.
    """

    def __init__(
        self,
        base_url: str,
        *,
        credentials: ClientCredentials | None = None,
        seconds: float = 30.0,
        patience: float = 10.0,
    ) -> None:
        self._base = yarl.URL(base_url.rstrip("/"))
        self._name = f"{self._base.host}{self._base.path}"
        self._timeout = aiohttp.ClientTimeout(total=seconds, connect=3.0)
        self._patience = patience
        self._credentials = credentials
        self._token = ServiceToken(self._new_token)
        self._http: aiohttp.ClientSession | None = None

    @overload
    async def call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = ...,
        query: Mapping[str, Any] | None = ...,
        returns: type[T],
        idempotency_key: str | None = ...,
        bearer: str | None = ...,
    ) -> T: ...

    @overload
    async def call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = ...,
        query: Mapping[str, Any] | None = ...,
        returns: None = ...,
        idempotency_key: str | None = ...,
        bearer: str | None = ...,
    ) -> bytes: ...

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: Mapping[str, Any] | None = None,
        returns: type[T] | None = None,
        idempotency_key: str | None = None,
        bearer: str | None = None,
    ) -> T | bytes:
        """Call an operation and read its answer as `returns`: a model, or any type pydantic knows.

        `path` is below the base. `bearer` is the access token of somebody in whose name this is asked,
        instead of our own. Raises RemoteRefusal for a 4xx, RemoteTrouble for a 5xx or 429,
        ServiceUnreachable without an answer, AnswerNotUnderstood for one that `returns` doesn't take.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        call = _Call(
            method,
            self._base.joinpath(path.lstrip("/")).with_query(_texts(query)),
            body=None if body is None else body.model_dump_json(by_alias=True).encode(),
            headers=headers,
            repeatable=method in _IDEMPOTENT or idempotency_key is not None,
        )
        given = self._repeated(_with_token(call, bearer)) if bearer else self._authorized(call)
        answer = await given
        return answer if returns is None else self._read(answer, returns)

    async def every(self, path: str, returns: type[T]) -> AsyncIterator[T]:
        """The items of a list to its end, page by page. Raises as `call`."""
        cursor: str | None = None
        while True:
            query = {"limit": _PAGE, "cursor": cursor}
            page = await self.call("GET", path, query=query, returns=Page[returns])  # type: ignore[valid-type] # a model made of it
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    async def close(self) -> None:
        """Close the connections. The client opens new ones when it is used again."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _authorized(self, call: _Call) -> bytes:
        """Send with a token; once more with a new one when that token is no longer taken."""
        if self._credentials is None:
            return await self._repeated(call)
        token = await self._token.get()
        try:
            return await self._repeated(_with_token(call, token))
        except RemoteProblem as problem:
            if problem.status != HTTPStatus.UNAUTHORIZED:
                raise
        self._token.forget(token)
        return await self._repeated(_with_token(call, await self._token.get()))

    async def _repeated(self, call: _Call) -> bytes:
        attempts = stamina.retry_context(
            on=remote.worth_another_try,
            attempts=5 if call.repeatable else 1,
            timeout=self._patience,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.1,
        )
        async for attempt in attempts:
            with attempt:
                return await self._send(call)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, call: _Call) -> bytes:
        try:
            async with self._session().request(
                call.method,
                call.url,
                data=call.body,
                headers={**call.headers, **_traced()},
                allow_redirects=False,
            ) as response:
                status, answer = response.status, await self._bounded(response)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise ServiceUnreachable(what=self._name) from error
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise remote.problem_of(status, answer)
        return answer

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in response.content.iter_any():
            found += chunk
            if len(found) > _MAX_ANSWER:
                raise remote.AnswerNotUnderstood(what=self._name)
        return bytes(found)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None or self._http.closed:
            self._http = aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        return self._http

    async def _new_token(self) -> TokenAnswer:
        assert self._credentials is not None
        url = self._credentials.token_url or self._base / "oauth" / "token"
        body = b"grant_type=client_credentials"
        call = _Call("POST", yarl.URL(url), body=body, headers=self._credentials.headers())
        return self._read(await self._repeated(call), TokenAnswer)

    def _read(self, answer: bytes, returns: type[T]) -> T:
        try:
            return TypeAdapter(returns).validate_json(answer)
        except ValidationError:
            # Not chained: a validation error repeats the answer, which may hold secrets.
            raise remote.AnswerNotUnderstood(what=self._name) from None


def _with_token(call: _Call, token: str) -> _Call:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})


def _texts(query: Mapping[str, Any] | None) -> dict[str, str]:
    """The query as texts; what is None stays out."""
    given = {} if query is None else query
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given.items()
        if value is not None
    }


def _traced() -> dict[str, str]:
    """The headers that tie this call to the request it is made for."""
    headers = {}
    if request_id := context.REQUEST_ID.get():
        headers["X-Request-Id"] = request_id
    if traceparent := context.TRACEPARENT.get():
        version, trace, _, flags = traceparent.split("-")
        headers["traceparent"] = f"{version}-{trace}-{secrets.token_hex(8)}-{flags}"
    return headers

"""The outermost layer: request id, security headers, access log, metrics, and problems for every error."""

import asyncio
import ipaddress
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from shared.errors import PenstockError
from shared.http import errors, problems
from shared.http.metrics import HttpMetrics
from shared.identifiers import uuid7
from shared.observe import context, logs

REQUEST_ID: Final = web.RequestKey("penstock.request_id", str)
OPERATION: Final = web.RequestKey("penstock.operation", str)
ROUTINE: Final = web.RequestKey("penstock.routine", bool)
CALLER: Final = web.RequestKey("penstock.caller", str)
STOPPING: Final = web.AppKey("penstock.stopping", asyncio.Event)
METRICS: Final = web.AppKey("penstock.metrics", HttpMetrics)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PROBED: Final = ("/health/live", "/health/ready", "/metrics")
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_log = logs.get(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TrustedProxies:
    """The networks of our gateway: only they may say on whose behalf they call."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def client_of(self, request: web.Request) -> str:
        """The address that the request comes from: the last hop that is not ours."""
        hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
        address = request.remote or ""
        for hop in reversed([hop for hop in hops if hop]):
            if not self._trusts(address):
                break
            address = hop
        return address[:64]

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Runs once for a request, also when a mounted application brings it again."""
    if REQUEST_ID in request:
        return await handler(request)
    request[REQUEST_ID] = _request_id(request)
    started = time.perf_counter()
    with _context(request):
        try:
            answer = await _safely(request, handler)
        except asyncio.CancelledError:
            _record(request, 499, started)
            raise
        _record(request, answer.status, started)
        return answer


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal: headers that every answer has, streams included."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "penstock"
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]


def problem_response(request: web.Request, error: PenstockError, statuses: problems.Statuses) -> web.Response:
    """The answer to an error that was raised on purpose."""
    status = problems.status_of(type(error), statuses)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _is_probe(request):
        _log.warning("request_failed", code=error.code(), status=status, reason=str(error))
    document = problems.problem(
        error, status=status, instance=request.rel_url.raw_path, request_id=request[REQUEST_ID]
    )
    return problems.response(document, error)


async def _safely(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exception:
        return _of_http_exception(request, exception)
    except PenstockError as error:
        return problem_response(request, error, problems.BASE_STATUSES)
    except ConnectionError:
        raise  # the client went away; aiohttp closes the connection
    except Exception:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the stack
        # exc_info without locals: they may hold secrets (see shared.observe.logs).
        _log.exception("request_crashed", operation=request.get(OPERATION))
        return problem_response(request, errors.InternalError(), problems.BASE_STATUSES)


def _of_http_exception(request: web.Request, exception: web.HTTPException) -> web.StreamResponse:
    if exception.status < HTTPStatus.BAD_REQUEST:
        raise exception
    answer = problems.response(
        problems.of_status(
            exception.status, instance=request.rel_url.raw_path, request_id=request[REQUEST_ID]
        )
    )
    if "Allow" in exception.headers:
        answer.headers["Allow"] = exception.headers["Allow"]
    return answer


def _is_probe(request: web.Request) -> bool:
    """Asked every few seconds, it is no news, whatever the answer: that has a line of its own."""
    return request.method == "GET" and request.path.endswith(_PROBED)


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid7().hex


def _context(request: web.Request) -> "_Context":
    given = request.headers.get("traceparent", "")
    return _Context(request[REQUEST_ID], given if _TRACEPARENT.fullmatch(given) else None)


class _Context:
    def __init__(self, request_id: str, traceparent: str | None) -> None:
        self._values = ((context.REQUEST_ID, request_id), (context.TRACEPARENT, traceparent))

    def __enter__(self) -> None:
        self._tokens = [variable.set(value) for variable, value in self._values]

    def __exit__(self, *_: object) -> None:
        for (variable, _value), token in zip(self._values, self._tokens, strict=True):
            variable.reset(token)


def _record(request: web.Request, status: int, started: float) -> None:
    """One log line and one observation. The query stays out: it may hold what nobody should read."""
    seconds = time.perf_counter() - started
    operation = request.get(OPERATION, "unmatched")
    # The root has no metrics of its own: what counts is the application that the path led to.
    for metrics in [app[METRICS] for app in request.match_info.apps if METRICS in app]:
        metrics.observe(operation, request.method, status, seconds)
    quiet = request.get(ROUTINE, False) and status < HTTPStatus.BAD_REQUEST
    log = _log.debug if quiet or _is_probe(request) else _log.info
    log(
        "request",
        method=request.method,
        path=request.rel_url.raw_path,
        operation=operation,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        caller=request.get(CALLER),
        remote=request.remote,
    )

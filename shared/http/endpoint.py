"""From a declared operation to an aiohttp handler: who, may they, is it well-formed, then the work."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from shared.contracts.identity import Principal
from shared.errors import Fault, PenstockError
from shared.http import body, edge, errors, problems
from shared.http.operation import AUTHENTICATED, PUBLIC, Operation
from shared.http.query import validated_query
from shared.http.request import Request
from shared.http.responses import Accepted, Created, Media
from shared.http.services import Services
from shared.security.tokens import TokenInvalid, TokenVerifier

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all endpoints of an application share."""

    services: Services
    verifier: TokenVerifier
    statuses: problems.Statuses
    prefix: str
    trusted_proxies: edge.TrustedProxies


def handler_of(
    operation: Operation, surroundings: Surroundings
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of an operation. It answers every PenstockError as a problem."""

    async def handle(raw: web.Request) -> web.StreamResponse:
        raw[edge.OPERATION] = operation.name
        raw[edge.ROUTINE] = operation.routine
        try:
            principal = await _authenticated(raw, operation, surroundings.verifier)
            request = Request(
                raw,
                operation=operation,
                services=surroundings.services,
                principal=principal,
                request_id=raw[edge.REQUEST_ID],
                client_address=surroundings.trusted_proxies.client_of(raw),
                stopping=raw.app[edge.STOPPING],
                accepts=surroundings.verifier.accepts,
            )
            result = await operation.handler(request, **await _arguments(request, operation))
            return _answer(operation, result, surroundings.prefix)
        except PenstockError as error:
            return edge.problem_response(raw, error, surroundings.statuses)

    return handle


async def _authenticated(raw: web.Request, operation: Operation, verifier: TokenVerifier) -> Principal | None:
    if operation.scopes is PUBLIC:
        return None
    given = raw.headers.getall("Authorization", [])
    if not given:
        raise errors.TokenMissing
    if len(given) != 1 or not given[0].lower().startswith(_BEARER):
        raise TokenInvalid
    principal = await verifier.verify(given[0][len(_BEARER) :].strip(" "))
    raw[edge.CALLER] = str(principal.subject)
    if operation.scopes is not AUTHENTICATED:
        _allowed(principal, operation)
    return principal


def _allowed(principal: Principal, operation: Operation) -> None:
    assert isinstance(operation.scopes, tuple)
    for scope in operation.scopes:
        if scope not in principal.scopes:
            raise errors.ScopeMissing(scope=scope)


async def _arguments(request: Request, operation: Operation) -> dict[str, Any]:
    """Path, query and headers first: they are here already; the body may be long."""
    arguments = _path(request, operation.path_types)
    if operation.query is not None:
        arguments["query"] = validated_query(operation.query, request.raw.query)
    elif request.raw.query:
        raise errors.RequestInvalid(
            faults=[
                Fault(("query", problems.shortened(name)), "extra_forbidden", "this operation takes no query")
                for name in list(dict.fromkeys(request.raw.query))[: problems.MAX_FAULTS]
            ]
        )
    _headers(request, operation)
    if operation.body is not None:
        arguments["body"] = await _body(request, operation, operation.body)
    return arguments


def _path(request: Request, types: Mapping[str, TypeAdapter[Any]]) -> dict[str, Any]:
    return {
        name: body.validated(kind, request.path_names[name], ("path", name)) for name, kind in types.items()
    }


def _headers(request: Request, operation: Operation) -> None:
    if operation.if_match:
        _ = request.if_match
    if operation.idempotent:
        _ = request.idempotency_key


async def _body(request: Request, operation: Operation, kind: TypeAdapter[Any]) -> Any:
    # A body of no bytes is no body, whatever type it says: clients add one to every POST.
    media_type = _accepted_type(request, operation) if request.raw.can_read_body else ""
    raw = await body.read(request.raw, operation.body_limit)
    if not raw:
        if operation.body_optional:
            return None
        raise errors.RequestInvalid(faults=[Fault(("body",), "missing", "this operation needs a body")])
    return body.from_form(raw, kind) if media_type == body.FORM else body.from_json_text(raw, kind)


def _accepted_type(request: Request, operation: Operation) -> str:
    media_type = body.media_type(request.raw)
    accepted = (body.JSON, body.FORM) if operation.form else (body.JSON,)
    if media_type not in accepted:
        raise errors.MediaTypeRefused(
            given=problems.shortened(media_type) or "not given",
            expected=" or ".join(accepted),
            loc=("header", "Content-Type"),
        )
    return media_type


def _answer(operation: Operation, result: Any, prefix: str) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    status, headers = operation.status, {}
    if isinstance(result, Created | Accepted):
        status, headers = result.status, {"Location": prefix + result.location}
        result = result.model
    if operation.returns is None:
        return web.Response(status=status, headers=headers)
    if isinstance(operation.returns, Media):
        return web.Response(text=str(result), content_type=operation.returns.type, headers=headers)
    version = getattr(result, "version", None) if isinstance(result, BaseModel) else None
    if isinstance(version, int):
        headers["ETag"] = f'"{version}"'
    payload = operation.returns.dump_json(result, by_alias=True)
    return web.Response(body=payload, status=status, content_type="application/json", headers=headers)

"""`@operation`: an endpoint is declared once; routes, checks and the OpenAPI document come out of it."""

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType, NoneType
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from shared.contracts import scopes as known
from shared.errors import PenstockError
from shared.http.responses import Accepted, Created, Media

MEBIBYTE: Final = 1024 * 1024
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_ROUTINE: Final = ("/internal/", "/.well-known/", "/health/", "/metrics")
_PLACEHOLDER = re.compile(r"{(\w+)}")

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)


class Access(Enum):
    """Who may call an operation that asks for no scope."""

    PUBLIC = "everybody"
    AUTHENTICATED = "everybody with a valid token"


PUBLIC: Final = Access.PUBLIC
AUTHENTICATED: Final = Access.AUTHENTICATED


class RawBody:
    """`body=RawBody`: bytes of any media type, which the handler reads from `request.stream(limit)`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One declared endpoint. `path` is relative to the service's prefix."""

    name: str
    method: str
    path: str
    handler: Handler
    scopes: Access | tuple[str, ...]
    tags: tuple[str, ...]
    summary: str
    description: str
    path_types: Mapping[str, TypeAdapter[Any]]
    body: TypeAdapter[Any] | None
    body_optional: bool
    raw_body: bool
    form: bool
    query: type[BaseModel] | None
    returns: TypeAdapter[Any] | Media | None
    also: tuple[Media, ...]
    status: int
    errors: tuple[type[PenstockError], ...]
    body_limit: int
    idempotent: bool
    if_match: bool

    @property
    def routine(self) -> bool:
        """Whether machines ask this every few seconds, so that a log line for each answer is noise."""
        return self.method == "GET" and self.path.startswith(_ROUTINE)


def operation(
    method: str,
    path: str,
    *,
    scopes: Access | Sequence[str],
    tags: Sequence[str] = (),
    body: Any = None,
    query: type[BaseModel] | None = None,
    returns: Any = None,
    also: Sequence[Media] = (),
    status: int | None = None,
    errors: Sequence[type[PenstockError]] = (),
    body_limit: int = MEBIBYTE,
    idempotent: bool = False,
    if_match: bool = False,
    form: bool = False,
) -> Callable[[H], H]:
    """Declare a handler as an endpoint.

    The handler takes the `Request` and, by name, the placeholders of the path, `body` and `query`. Its
    docstring's first line is the summary. `scopes` are all needed; PUBLIC and AUTHENTICATED stand for
    none. `also` are media types that the handler writes itself when the caller asks for them. `if_match`
    and `idempotent` declare the headers behind `request.if_match` (required) and
    `request.idempotency_key` (optional). `form` lets the body come as a web form, too. A declaration
    that leaves something open, such as the scopes, is refused with ValueError when it is imported.
    """

    def declare(handler: H) -> H:
        hints = typing.get_type_hints(handler, include_extras=True)
        summary, description = _docstring(handler)
        declared = Operation(
            name=handler.__name__,
            method=_known_method(handler, method),
            path=path,
            handler=handler,
            scopes=_known_scopes(handler, scopes),
            tags=tuple(tags) or (_feature(handler),),
            summary=summary,
            description=description,
            path_types={name: _path_type(handler, hints, name) for name in _PLACEHOLDER.findall(path)},
            body=None if body is None or body is RawBody else TypeAdapter(body),
            body_optional=_has_default(handler, "body"),
            raw_body=body is RawBody,
            form=form,
            query=query,
            returns=_answer(returns),
            also=tuple(also),
            status=status or _status(returns, hints.get("return")),
            errors=tuple(errors),
            body_limit=body_limit,
            idempotent=idempotent,
            if_match=if_match,
        )
        _check_parameters(declared)
        handler.__operation__ = declared  # type: ignore[attr-defined]  # found again by operations_of
        return handler

    return declare


def operations_of(features: Iterable[ModuleType]) -> list[Operation]:
    """The operations that these modules declare, each once, in the order of their source."""
    found: dict[Handler, Operation] = {}
    for module in features:
        for value in vars(module).values():
            declared = getattr(value, "__operation__", None)
            if isinstance(declared, Operation):
                found.setdefault(declared.handler, declared)
    _check_unique(found.values())
    return list(found.values())


def _check_unique(declared: Iterable[Operation]) -> None:
    seen: dict[str, Operation] = {}
    for one in declared:
        for key in (one.name, f"{one.method} {_PLACEHOLDER.sub('{}', one.path)}"):
            if key in seen:
                raise ValueError(f"{_name(one.handler)} and {_name(seen[key].handler)} are both {key}")
            seen[key] = one


def _name(handler: Handler) -> str:
    return f"{handler.__module__}.{handler.__name__}"


def _docstring(handler: Handler) -> tuple[str, str]:
    text = inspect.getdoc(handler) or ""
    summary, _, rest = text.partition("\n")
    if not summary.strip():
        raise ValueError(f"{_name(handler)} has no docstring; its first line is the summary")
    return summary.strip().rstrip("."), rest.strip()


def _known_method(handler: Handler, method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"{_name(handler)}: {method} is not a method of an operation")
    return method


def _known_scopes(handler: Handler, scopes: Access | Sequence[str] | None) -> Access | tuple[str, ...]:
    if isinstance(scopes, Access):
        return scopes
    if not scopes or isinstance(scopes, str):
        raise ValueError(f"{_name(handler)} needs a list of scopes, or PUBLIC, or AUTHENTICATED")
    for scope in scopes:
        if scope not in known.SCOPES:
            raise ValueError(f"{_name(handler)}: there is no scope {scope}")
    return tuple(scopes)


def _feature(handler: Handler) -> str:
    parts = handler.__module__.split(".")
    return parts[-2] if len(parts) > 1 else parts[-1]


def _path_type(handler: Handler, hints: Mapping[str, Any], name: str) -> TypeAdapter[Any]:
    if name not in hints:
        raise ValueError(f"{_name(handler)} needs an annotated parameter {name}, as its path has")
    return TypeAdapter(hints[name])


def _has_default(handler: Handler, name: str) -> bool:
    parameter = inspect.signature(handler).parameters.get(name)
    return parameter is not None and parameter.default is not inspect.Parameter.empty


def _answer(returns: Any) -> TypeAdapter[Any] | Media | None:
    if returns is None or returns is NoneType:
        return None
    if isinstance(returns, Media):
        return returns
    if isinstance(returns, type) and issubclass(returns, web.StreamResponse):
        raise ValueError("returns=EVENT_STREAM or another Media says what is written")  # noqa: TRY004 - a wrong value
    return TypeAdapter(returns)


def _status(returns: Any, hint: Any) -> int:
    origin = typing.get_origin(hint) or hint
    if origin in (Created, Accepted):
        return int(origin.status)
    return 204 if returns is None else 200


def _check_parameters(declared: Operation) -> None:
    parameters = list(inspect.signature(declared.handler).parameters)[1:]
    given = set(declared.path_types)
    given |= {"body"} if declared.body is not None else set()
    given |= {"query"} if declared.query is not None else set()
    if set(parameters) != given:
        raise ValueError(
            f"{_name(declared.handler)} takes {sorted(parameters)}, its declaration has {sorted(given)}"
        )
    _check_closed(declared)


def _check_closed(declared: Operation) -> None:
    """Every input model refuses members it does not know, at every depth."""
    schemas = [declared.body.json_schema()] if declared.body is not None else []
    schemas += [declared.query.model_json_schema()] if declared.query is not None else []
    for schema in schemas:
        for part in (schema, *schema.get("$defs", {}).values()):
            if "properties" in part and part.get("additionalProperties") is not False:
                raise ValueError(
                    f"{_name(declared.handler)}: the input model {part.get('title')} needs extra='forbid'"
                )

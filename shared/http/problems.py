"""Errors become problem details (RFC 9457)."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import ModuleType
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import web
from pydantic import ValidationError

from shared import errors as kinds
from shared.contracts.problem import Problem, ProblemFault
from shared.errors import Fault, Loc, PenstockError
from shared.http import errors, remote

MEDIA_TYPE: Final = "application/problem+json"
MAX_FAULTS: Final = 100
_MAX_TEXT: Final = 500

BASE_STATUSES: Final[Mapping[type[PenstockError], int]] = {
    kinds.Invalid: 422,
    kinds.Unauthenticated: 401,
    kinds.Forbidden: 403,
    kinds.NotFound: 404,
    kinds.Conflict: 409,
    kinds.VersionOutdated: 412,
    kinds.PreconditionMissing: 428,
    kinds.Throttled: 429,
    kinds.Unavailable: 503,
    kinds.Transient: 503,
    errors.MalformedJson: 400,
    kinds.InvalidCursor: 400,
    errors.BodyTooSlow: 408,
    errors.BodyTooLarge: 413,
    errors.MediaTypeRefused: 415,
    errors.InternalError: 500,
    remote.RemoteRefusal: 502,
    remote.AnswerNotUnderstood: 502,
}

Statuses = Mapping[type[PenstockError], int]


@runtime_checkable
class HasMembers(Protocol):
    """An error whose problem has more members, such as `error` of RFC 6749."""

    def problem_members(self) -> Mapping[str, Any]: ...


@runtime_checkable
class HasHeaders(Protocol):
    """An error whose answer has headers of its own, such as WWW-Authenticate."""

    def problem_headers(self) -> Mapping[str, str]: ...


def statuses_of(features: Iterable[ModuleType]) -> dict[type[PenstockError], int]:
    """The base table and every feature's STATUS_OF. ValueError when two features disagree."""
    merged = dict(BASE_STATUSES)
    for module in features:
        for kind, status in getattr(module, "STATUS_OF", {}).items():
            if merged.setdefault(kind, status) != status:
                raise ValueError(f"{module.__name__}: {kind.__name__} is {merged[kind]} already")
    return merged


def status_of(kind: type[PenstockError], statuses: Statuses) -> int:
    """The status of the nearest class in the error's tree; 500 for one that nobody named."""
    return next((statuses[base] for base in kind.__mro__ if base in statuses), 500)


def invalid(error: ValidationError, loc: Loc, data: Any) -> errors.RequestInvalid:
    """A validation error as ours: places as they are in `data`, never the values."""
    found = error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    return errors.RequestInvalid(
        faults=[
            Fault((*loc, *place(fault["loc"], data, missing=fault["type"] == "missing")), *_wording(fault))
            for fault in found
        ]
    )


def place(loc: Loc, data: Any, *, missing: bool) -> Loc:
    """The path in the data. pydantic's own has names of union members and validators in between."""
    found: list[str | int] = []
    for index, step in enumerate(loc):
        if _has(data, step):
            data = data[step]
        elif not (missing and index == len(loc) - 1):
            continue
        found.append(shortened(step) if isinstance(step, str) else step)
    return tuple(found)


def _has(data: Any, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, Mapping) and step in data


def _wording(fault: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(fault["type"])
    if kind == "union_tag_invalid":  # its sentence repeats the value that was given
        return kind, f"must be one of {fault['ctx']['expected_tags']}"
    return kind, shortened(str(fault["msg"]))


def shortened(text: str) -> str:
    """At most 500 characters: what a caller sent may be in it."""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def problem(error: PenstockError, *, status: int, instance: str, request_id: str) -> Problem:
    """The problem document of an error."""
    code = error.code()
    return Problem(
        type=f"urn:penstock:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=str(error),
        instance=shortened(instance),
        code=code,
        errors=[
            ProblemFault(loc=list(fault.loc), code=fault.code, message=fault.message)
            for fault in error.all_faults()[:MAX_FAULTS]
        ],
        request_id=request_id,
    )


def response(document: Problem, error: Exception | None = None) -> web.Response:
    """The answer that carries a problem document, with what the error adds to it."""
    members = document.model_dump(mode="json")
    extended: object = error
    if isinstance(extended, HasMembers):
        members |= extended.problem_members()
    headers = _headers(error) if isinstance(error, PenstockError) else {}
    return web.json_response(members, status=document.status, content_type=MEDIA_TYPE, headers=headers)


def _headers(error: PenstockError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, kinds.Unauthenticated):
        known = "" if isinstance(error, errors.TokenMissing) else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f"Bearer{known}"
    elif isinstance(error, errors.ScopeMissing):
        scope = error.facts["scope"]
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{scope}"'
    elif "retry_after" in error.facts:
        headers["Retry-After"] = str(max(1, int(error.facts["retry_after"])))
    if isinstance(error, HasHeaders):
        headers |= error.problem_headers()
    return headers


def of_status(status: int, *, instance: str, request_id: str) -> Problem:
    """The problem document of an answer that aiohttp itself made, such as 404 and 405."""
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return Problem(
        type=f"urn:penstock:problem:{code}",
        title=phrase,
        status=status,
        detail=_DETAILS.get(status, HTTPStatus(status).description or phrase),
        instance=shortened(instance),
        code=code,
        request_id=request_id,
    )


_DETAILS: Final[Mapping[int, str]] = {
    400: "The request is not well-formed HTTP.",
    404: "There is nothing at this path.",
    405: "This path does not take this method; the header Allow has those it takes.",
}

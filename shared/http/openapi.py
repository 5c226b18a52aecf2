"""The OpenAPI 3.1 document of a service, from its declared operations alone."""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from shared.contracts.problem import Problem
from shared.contracts.scopes import SCOPES
from shared.errors import PenstockError
from shared.http import health, problems
from shared.http.operation import AUTHENTICATED, MEBIBYTE, PUBLIC, Operation, operations_of
from shared.http.responses import EVENT_STREAM, Accepted, Created, Media

VERSION: Final = "3.1.0"
SECURITY: Final = "accessToken"
_REFERENCE: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"

_MEANINGS: Final[Mapping[int, str]] = {
    400: "The request can't be read.",
    401: "The access token is missing, not valid, expired or revoked.",
    403: "The token's scopes don't allow this operation.",
    404: "There is no such object, or it belongs to another tenant.",
    405: "This path doesn't take this method.",
    408: "The body did not arrive in time.",
    409: "The object's state doesn't allow this.",
    412: "The object has changed since it was read.",
    413: "The body is too large.",
    415: "The body's media type is not one that this operation takes.",
    422: "Something in the request is wrong; `errors` has each place.",
    428: "The header If-Match is missing.",
    429: "Too many requests; the header Retry-After says when to come again.",
    500: "Something went wrong on our side.",
    502: "Another service gave an answer that we didn't expect.",
    503: "Something that is needed can't be reached right now.",
}


def document(
    name: str, *, title: str, prefix: str, features: Sequence[ModuleType], version: str
) -> dict[str, Any]:
    """The document of a service: pure, needs no server. Paths are relative to `prefix`.

    What every service says about itself (shared.http.health) is in it without being named.
    """
    complete = (*features, health)
    operations = operations_of(complete)
    statuses = problems.statuses_of(complete)
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas, statuses)
    return {
        "openapi": VERSION,
        "info": {
            "title": title,
            "version": version,
            "description": f"The HTTP interface of {name}. Every error is a problem document (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix}],
        "tags": [{"name": tag} for tag in sorted({tag for one in operations for tag in one.tags})],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions(),
            "responses": {str(status): _problem(text) for status, text in _MEANINGS.items()},
            "securitySchemes": {SECURITY: _security_scheme()},
        },
    }


def _security_scheme() -> dict[str, Any]:
    lines = "\n".join(f"- `{scope}`: {text}" for scope, text in SCOPES.items())
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT (RFC 9068)",
        "description": f"An access token of the System service. Scopes:\n\n{lines}",
    }


class _Schemas:
    """The schemas of all operations, generated together, so that equal names get told apart."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = [
            (("problem", "answer"), "serialization", TypeAdapter(Problem))
        ]
        self._queries: dict[str, dict[str, Any]] = {}
        self._components: dict[str, Any] = {}
        for one in operations:
            if one.body is not None:
                inputs.append(((one.name, "body"), "validation", one.body))
            if isinstance(one.returns, TypeAdapter):
                inputs.append(((one.name, "answer"), "serialization", one.returns))
            inputs += [((one.name, path), "validation", kind) for path, kind in one.path_types.items()]
            if one.query is not None:
                self._queries[one.name] = self._query(one.query)
        self._found, generated = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
        self._components |= generated.get("$defs", {})

    def of(self, operation: Operation, part: str) -> Any:
        mode: Literal["serialization", "validation"] = "serialization" if part == "answer" else "validation"
        return self._found[(operation.name, part), mode]

    def query(self, operation: Operation) -> dict[str, Any]:
        return self._queries[operation.name]

    def definitions(self) -> dict[str, Any]:
        return dict(sorted(self._components.items()))

    def _query(self, kind: type[BaseModel]) -> dict[str, Any]:
        schema = kind.model_json_schema(ref_template=_REFERENCE)
        self._components |= schema.pop("$defs", {})
        return schema


def _operation(one: Operation, schemas: _Schemas, statuses: problems.Statuses) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": list(one.tags),
        "security": [] if one.scopes is PUBLIC else [{SECURITY: _scopes(one)}],
    }
    if one.description:
        found["description"] = one.description
    if parameters := [*_path(one, schemas), *_query(one, schemas), *_headers(one)]:
        found["parameters"] = parameters
    if one.raw_body or one.body is not None:
        found["requestBody"] = _body(one, schemas)
    found["responses"] = {**_success(one, schemas), **_failures(one, statuses)}
    return found


def _scopes(one: Operation) -> list[str]:
    return [] if one.scopes is AUTHENTICATED or not isinstance(one.scopes, tuple) else list(one.scopes)


def _path(one: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.of(one, name)}
        for name in one.path_types
    ]


def _query(one: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    schema = schemas.query(one)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": {key: value for key, value in member.items() if key != "description"},
        }
        | ({"description": member["description"]} if "description" in member else {})
        for name, member in schema.get("properties", {}).items()
    ]


def _headers(one: Operation) -> list[dict[str, Any]]:
    found = []
    if one.if_match:
        text = "The ETag of the version that was read."
        found.append(
            _header("If-Match", text, {"type": "string", "pattern": r'^(W/)?"\d{1,18}"$'}, required=True)
        )
    if one.idempotent:
        text = "A name for this piece of work: sent twice with one name, it is done once."
        shape = {"type": "string", "pattern": r"^[\x21-\x7e]{1,200}$"}
        found.append(_header("Idempotency-Key", text, shape))
    if EVENT_STREAM in (one.returns, *one.also):
        text = "The number of the last event that was seen; the stream goes on behind it."
        found.append(_header("Last-Event-ID", text, {"type": "string", "pattern": r"^\d{1,18}$"}))
    return found


def _header(name: str, text: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": text, "schema": dict(schema)}


def _body(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    if one.raw_body:
        return {"required": True, "content": {"application/octet-stream": {}}}
    content = {_JSON: {"schema": schemas.of(one, "body")}}
    if one.form:
        content["application/x-www-form-urlencoded"] = content[_JSON]
    text = "" if one.body_limit == MEBIBYTE else f"At most {one.body_limit} bytes."
    found: dict[str, Any] = {"required": not one.body_optional, "content": content}
    return found | ({"description": text} if text else {})


def _success(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _SUCCESS.get(one.status, "Done.")}
    headers = {}
    if one.status in (Created.status, Accepted.status):
        headers["Location"] = {"schema": {"type": "string"}, "description": "The path of the object."}
    if isinstance(one.returns, Media):
        found["content"] = {one.returns.type: {"schema": {"type": "string"}}}
    elif one.returns is not None:
        found["content"] = {_JSON: {"schema": schemas.of(one, "answer")}}
    for media in one.also:
        found.setdefault("content", {})[media.type] = {"schema": {"type": "string"}}
    if headers:
        found["headers"] = headers
    return {str(one.status): found}


_SUCCESS: Final[Mapping[int, str]] = {
    200: "The answer.",
    201: "The new object.",
    202: "The work has been accepted; the header Location says where to follow it.",
    204: "Done; there is nothing to say.",
}


def _failures(one: Operation, statuses: problems.Statuses) -> dict[str, Any]:
    """The problems that any operation of this shape can answer, and the declared ones by their codes."""
    declared: dict[int, list[type[PenstockError]]] = {}
    for kind in one.errors:
        declared.setdefault(problems.status_of(kind, statuses), []).append(kind)
    found: dict[str, Any] = {}
    for status in sorted({*_common(one), *declared}):
        found[str(status)] = (
            _problem(_sentences(status, declared[status]))
            if status in declared
            else {"$ref": f"#/components/responses/{status}"}
        )
    return found


def _common(one: Operation) -> set[int]:
    common = {400, 422, 500, 503}
    if one.scopes is not PUBLIC:
        common |= {401} if one.scopes is AUTHENTICATED else {401, 403}
    if one.path_types:
        common.add(404)
    if one.raw_body or one.body is not None:
        common |= {408, 413}
    if one.body is not None:
        common.add(415)
    if one.if_match:
        common |= {412, 428}
    return common


def _sentences(status: int, kinds: Sequence[type[PenstockError]]) -> str:
    lines = [f"- `{kind.code()}`: {' '.join((kind.__doc__ or '').split())}" for kind in kinds]
    return "\n".join([_MEANINGS.get(status, "The operation failed."), "", *lines])


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {"description": text, "content": {problems.MEDIA_TYPE: {"schema": schema}}}

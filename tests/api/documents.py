"""A service as its OpenAPI document tells: operations, and a valid example of what each one takes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp

_PLACEHOLDER = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end; `json` is None when it is something else."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any


@dataclass(frozen=True)
class Described:
    """One operation of a document."""

    id: str
    method: str
    path: str
    detail: Mapping[str, Any]

    @property
    def path_names(self) -> list[str]:
        return _PLACEHOLDER.findall(self.path)

    @property
    def secured(self) -> bool:
        return bool(self.detail["security"])

    @property
    def scopes(self) -> list[str]:
        return [scope for scheme in self.detail["security"] for scopes in scheme.values() for scope in scopes]

    def body_schema(self, media_type: str = "application/json") -> Mapping[str, Any] | None:
        content = self.detail.get("requestBody", {}).get("content", {})
        found: Mapping[str, Any] | None = content.get(media_type, {}).get("schema")
        return found

    @property
    def takes_bytes(self) -> bool:
        return "application/octet-stream" in self.detail.get("requestBody", {}).get("content", {})

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with its placeholders replaced."""
        return _PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), self.path)


@dataclass(frozen=True)
class Api:
    """A service that runs, and its document. `base` is its prefix on its host."""

    http: aiohttp.ClientSession
    base: str
    document: Mapping[str, Any]

    @classmethod
    async def at(cls, http: aiohttp.ClientSession, base: str) -> "Api":
        """The service below this address, as it describes itself."""
        async with http.get(f"{base}/openapi.json") as response:
            return cls(http, base, await response.json())

    def operations(self) -> Iterator[Described]:
        for path, methods in self.document["paths"].items():
            for method, detail in methods.items():
                yield Described(detail["operationId"], method.upper(), path, detail)

    async def call(
        self, operation: Described, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """Call an operation at a filled path, with what its document says is required besides."""
        given = {**self._required(operation, "header"), **(headers or {})}
        options.setdefault("params", self._required(operation, "query"))
        async with self.http.request(
            operation.method, self.base + path, headers=given, **options
        ) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            parsed = await response.json(content_type=None) if is_json else None
            return Answer(response.status, response.headers, text, parsed)

    def body_of(self, operation: Described) -> dict[str, Any]:
        """The options of a call that carries a valid body, or none where none is taken."""
        schema = operation.body_schema()
        if schema is not None:
            return {"json": self.example(schema)}
        return {"data": b"a,b\n1,2\n"} if operation.takes_bytes else {}

    def example(self, schema: Mapping[str, Any]) -> Any:
        """The smallest value that a schema takes; patterns are met for the few shapes that we use."""
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            return self.example(self.document["components"]["schemas"][name])
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("oneOf", "anyOf", "allOf"):
            if key in schema:
                return self.example(schema[key][0])
        return self._of_type(schema)

    def _of_type(self, schema: Mapping[str, Any]) -> Any:
        kind = schema.get("type", "object")
        if kind == "object":
            members = schema.get("properties", {})
            return {name: self.example(members[name]) for name in schema.get("required", [])}
        if kind == "array":
            return [self.example(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
        if kind in ("integer", "number"):
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return _text(schema) if kind == "string" else {"boolean": False, "null": None}[kind]

    def _required(self, operation: Described, part: str) -> dict[str, str]:
        return {
            one["name"]: '"1"' if one["name"] == "If-Match" else str(self.example(one["schema"]))
            for one in operation.detail.get("parameters", [])
            if one["in"] == part and one["required"]
        }


def _text(schema: Mapping[str, Any]) -> str:
    formats = {"uuid": str(uuid4()), "date-time": "2026-01-01T00:00:00Z", "date": "2026-01-01"}
    return formats.get(str(schema.get("format"))) or "a" * max(1, int(schema.get("minLength", 1)))

"""Bad input to every operation of a service: a problem with 4xx, never 500."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.api.documents import Answer, Api, Described
from tests.api.problems import faults_of

JSON = {"Content-Type": "application/json"}
BODIES: Mapping[str, tuple[bytes, Mapping[str, str], set[int]]] = {
    "malformed JSON": (b'{"a":', JSON, {400}),
    "deep JSON": (b"[" * 200_000, JSON, {400, 413}),
    "bytes that are not UTF-8": (b'{"\xff": 1}', JSON, {400}),
    "a huge integer": (b'{"a": ' + b"9" * 5_000 + b"}", JSON, {400, 413, 422}),
    "an unknown member": (b'{"surely_not_a_member": 1}', JSON, {422}),
    "a list": (b"[]", JSON, {422}),
    "null": (b"null", JSON, {422}),
    "another media type": (b"{}", {"Content-Type": "text/plain"}, {415}),
}
TOKENS = {
    "no token": None,
    "nonsense": "Bearer nonsense",
    "an unsigned token": "Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.",
    "another scheme": "Basic YTpi",
}


@dataclass(frozen=True)
class BadInput:
    """What is sent, to which service, by a caller with every scope. `exempt` operations have a reason."""

    api: Api
    headers: Mapping[str, str]
    exempt: Mapping[str, str] = field(default_factory=dict)

    async def findings(self) -> list[str]:
        """Every answer that is not the problem it should be."""
        return [
            f"{one.id} with {what}: {fault}"
            for one in self.api.operations()
            if one.id not in self.exempt
            async for what, expected, answer in self._probes(one)
            for fault in _faults(answer, expected)
        ]

    async def _probes(self, one: Described) -> AsyncIterator[tuple[str, set[int], Answer]]:
        path = one.filled(dict.fromkeys(one.path_names, str(uuid4())))
        if one.secured:
            for what, value in TOKENS.items():
                headers = {} if value is None else {"Authorization": value}
                yield what, {401}, await self.api.call(one, path, headers=headers)
        yield "an unknown parameter", {422}, await self._call(one, path, params={"surely_unknown": "1"})
        yield "NUL in a parameter", {422}, await self._call(one, path, params={"limit": "a\0"})
        if one.path_names:
            wrong = one.filled(dict.fromkeys(one.path_names, "..\0/"))
            yield "NUL in the path", {404, 422}, await self._call(one, wrong)
        if one.body_schema() is not None:
            for what, (raw, media, expected) in BODIES.items():
                yield what, expected, await self._call(one, path, data=raw, headers=media)

    async def _call(
        self, one: Described, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        return await self.api.call(one, path, headers={**self.headers, **(headers or {})}, **options)


def _faults(answer: Answer, expected: set[int]) -> list[str]:
    wrong = [] if answer.status in expected else [f"{answer.status} instead of {sorted(expected)}"]
    return [*wrong, *faults_of(answer)]

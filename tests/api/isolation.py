"""Two tenants: whatever belongs to one does not exist for the other, over every operation with an id."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.api.documents import Answer, Api, Described
from tests.api.problems import faults_of


@dataclass(frozen=True)
class Matrix:
    """The objects of a first tenant, seen by a stranger.

    `owned` has, for each placeholder of a path and each id in a body, the id of an object of the first
    tenant, by name (`task`, `resource_id`). `stranger` are the headers of a caller of a second tenant who
    has every scope. `bodies` replace the example of an operation's body where the document can't tell
    what is valid. `exempt` are the operations that need no check, each with its reason.
    """

    api: Api
    owned: Mapping[str, str]
    stranger: Mapping[str, str]
    bodies: Mapping[str, Any] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)

    def by_path(self) -> Iterator[Described]:
        """The operations with an id in their path."""
        for one in self.api.operations():
            if one.path_names and one.secured and one.id not in self.exempt:
                yield one

    def by_body(self) -> Iterator[tuple[Described, str]]:
        """The operations with an id of ours in their body, and the member that holds it."""
        for one in self.api.operations():
            schema = one.body_schema()
            if schema is not None and one.id not in self.exempt:
                body = self._body(one)["json"]
                yield from ((one, name) for name in self.owned if isinstance(body, dict) and name in body)

    def unknown_names(self) -> set[str]:
        """Placeholders for which no object is given: the matrix would pass them over."""
        return {name for one in self.by_path() for name in one.path_names} - set(self.owned)

    async def findings(self) -> list[str]:
        """Every way in which the stranger learns that an object exists; empty when all is well."""
        found = [f"no object is given for the placeholder {name}" for name in sorted(self.unknown_names())]
        for one in self.by_path():
            if set(one.path_names) <= set(self.owned):
                found += await self._compare_path(one)
        for one, member in self.by_body():
            found += await self._compare_body(one, member)
        return found

    async def _compare_path(self, one: Described) -> list[str]:
        body = self._body(one)
        owned = {name: self.owned[name] for name in one.path_names}
        real = await self.api.call(one, one.filled(owned), headers=self.stranger, **body)
        found = [] if real.status == 404 else [f"{one.id}: {real.status} instead of 404"]
        for name in one.path_names:
            changed = owned | {name: str(uuid4())}
            unknown = await self.api.call(one, one.filled(changed), headers=self.stranger, **body)
            found += _difference(one.id, _plain(real, owned), _plain(unknown, changed))
        return [*found, *(f"{one.id}: {fault}" for fault in faults_of(real))]

    async def _compare_body(self, one: Described, member: str) -> list[str]:
        own = dict.fromkeys(one.path_names, str(uuid4()))
        answers = []
        for value in (self.owned[member], str(uuid4())):
            body = {**self._body(one)["json"], member: value}
            answer = await self.api.call(one, one.filled(own), headers=self.stranger, json=body)
            answers.append(_plain(answer, {**own, member: value}))
        found = [] if 400 <= answers[0][0] < 500 else [f"{one.id} takes a foreign {member}: {answers[0]}"]
        return found + _difference(f"{one.id} with {member}", *answers)

    def _body(self, one: Described) -> dict[str, Any]:
        return {"json": self.bodies[one.id]} if one.id in self.bodies else self.api.body_of(one)


def _plain(answer: Answer, ids: Mapping[str, str]) -> tuple[int, str]:
    """An answer without what differs from request to request."""
    document = dict(answer.json) if isinstance(answer.json, dict) else {"text": answer.text}
    for name in ("instance", "request_id"):
        document.pop(name, None)
    text = json.dumps(document, sort_keys=True)
    for name, value in ids.items():
        text = text.replace(value, f"<{name}>")
    return answer.status, text


def _difference(what: str, real: tuple[int, str], unknown: tuple[int, str]) -> list[str]:
    return [] if real == unknown else [f"{what}: a foreign id answers {real}, an unknown one {unknown}"]

"""Whatever is sent to any operation, the answer is a problem with a 4xx status, and nothing is written."""

import io
import re
from typing import Any
from uuid import uuid4

import pytest

from services.system import app
from shared.http.operation import PUBLIC, Operation, operations_of

from .driver import Answer, System, Tenant

OPERATIONS = operations_of(app.FEATURES)
WITH_BODY = [declared for declared in OPERATIONS if declared.body is not None]
DEEP = "[" * 100_000 + "]" * 100_000
BODIES = {
    "not json": b"{",
    "not utf-8": b'{"name": "\xff"}',
    "deep": DEEP.encode(),
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "nan": b'{"name": NaN}',
    "huge number": b'{"limit": 1e999, "n": ' + b"9" * 5000 + b"}",
    "lone surrogate": b'{"name": "\\ud800"}',
    "unknown member": b'{"surprise": 1}',
    "nul": b'{"name": "a\\u0000b", "description": "\\u0000"}',
}


class Asking:
    """Asks operations with a token that they accept, so that only the input is wrong."""

    def __init__(self, system: System, tokens: dict[str, str]) -> None:
        self.system = system
        self.tokens = tokens

    async def ask(self, declared: Operation, *, query: str = "", **more: Any) -> Answer:
        headers = {"If-Match": '"1"'} if declared.if_match else {}
        return await self.system.call(
            declared.method,
            re.sub(r"{\w+}", str(uuid4()), declared.path) + query,
            data=more.get("data"),
            token=self.token_for(declared),
            headers=headers | more.get("headers", {}),
        )

    def token_for(self, declared: Operation) -> str | None:
        if declared.scopes is PUBLIC:
            return None
        return self.tokens.get(declared.tags[0], self.tokens["others"])


@pytest.fixture
async def asking(system: System, one: Tenant) -> Asking:
    tokens = {
        "internal": (await system.service()).token,
        "tenants": (await system.administrator()).token,
        "others": one.owner.token,
    }
    return Asking(system, tokens)


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_wrong(asking: Asking, one: Tenant, body: str) -> None:
    before = (await one.owner.get("/audit")).text
    for declared in WITH_BODY:
        if declared.body_optional and body == "nothing":
            continue
        answer = await asking.ask(declared, data=BODIES[body], headers={"Content-Type": "application/json"})
        assert 400 <= answer.status < 500, (declared.name, answer)
        assert answer.code
    assert (await one.owner.get("/audit")).text == before


async def test_a_body_of_another_type_or_size(asking: Asking) -> None:
    for declared in WITH_BODY:
        text = await asking.ask(declared, data=b"{}", headers={"Content-Type": "text/plain"})
        assert text.status == 415, declared.name
        large = await asking.ask(
            declared,
            data=io.BytesIO(b" " * (1024 * 1024 + 1)),
            headers={"Content-Type": "application/json"},
        )
        assert (large.status, large.code) == (413, "body_too_large"), declared.name


async def test_a_query_parameter_that_nobody_knows(asking: Asking) -> None:
    for declared in OPERATIONS:
        answer = await asking.ask(declared, query="?surprise=1")
        assert (answer.status, answer.places) == (422, ["query.surprise"]), declared.name


async def test_without_a_valid_token_nothing_else_is_looked_at(system: System) -> None:
    for declared in OPERATIONS:
        if declared.scopes is PUBLIC:
            continue
        for token in (None, "", "x", "a.b.c"):
            path = re.sub(r"{\w+}", "no id", declared.path)
            answer = await system.call(declared.method, path, data=b"{", token=token)
            assert answer.status == 401, declared.name
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_id_that_is_none(asking: Asking) -> None:
    for declared in OPERATIONS:
        if "{" not in declared.path:
            continue
        for text in ("7", "..%2f", "%00", "x" * 300):
            answer = await asking.system.call(
                declared.method,
                re.sub(r"{\w+}", text, declared.path),
                token=asking.token_for(declared),
                headers={"If-Match": '"1"'},
            )
            assert answer.status in {404, 422}, (declared.name, answer)


async def test_paths_and_methods_that_are_not_there(system: System) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/me", 405),
        ("GET", "/oauth/token", 405),
        ("GET", "/internal", 404),
    ):
        answer = await system.call(method, path)
        assert answer.status == status
        assert answer.code

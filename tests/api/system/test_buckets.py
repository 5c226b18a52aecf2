"""Buckets as resources: made, tried step by step, and never telling their keys."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.s3 import BUCKET, SECRET_KEY, S3Server

from .driver import Answer, System, Tenant


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        running.put("mine/a.csv", b"a\n1\n")
        yield running


def steps_of(answer: Answer) -> list[tuple[str, bool]]:
    assert answer.status == 200, answer
    return [(step["name"], step["ok"]) for step in answer.json["steps"]]


async def tried(one: Tenant, connection: dict[str, Any]) -> Answer:
    return await one.owner.post("/resources:test", {"connection": connection})


async def made(one: Tenant, connection: dict[str, Any]) -> Any:
    answer = await one.owner.post("/resources", {"name": "lake", "connection": connection})
    assert answer.status == 201, answer
    return answer.json


async def test_a_bucket_is_kept_and_tried_with_its_stored_key(one: Tenant, server: S3Server) -> None:
    resource = await made(one, server.connection(prefix="mine/"))
    assert resource["connection"]["bucket"] == BUCKET
    answer = await one.owner.post(f"/resources/{resource['id']}/test")
    assert answer.json["ok"] is True
    assert steps_of(answer) == [
        ("resolve", True), ("connect", True), ("authenticate", True), ("database", True),
    ]  # fmt: skip
    assert "objects are there" in answer.text


async def test_an_empty_prefix_is_said_to_be_empty(one: Tenant, server: S3Server) -> None:
    assert "no object yet" in (await tried(one, server.connection(prefix="other/"))).text


@pytest.mark.parametrize(
    ("change", "last"),
    [
        ({"secret_key": "CANARY-wrong"}, ("authenticate", False)),
        ({"access_key": "CANARY-nobody"}, ("authenticate", False)),
        ({"access_key": "", "secret_key": ""}, ("authenticate", False)),
        ({"bucket": "missing"}, ("database", False)),
        ({"region": "elsewhere"}, ("database", False)),
        ({"endpoint": "http://169.254.169.254"}, ("resolve", False)),
        ({"endpoint": "http://127.0.0.1:9"}, ("connect", False)),
    ],
)
async def test_what_is_wrong_is_the_last_step_and_no_key_is_told(
    one: Tenant, server: S3Server, change: dict[str, str], last: tuple[str, bool]
) -> None:
    answer = await tried(one, server.connection(**change))
    assert answer.json["ok"] is False
    assert steps_of(answer)[-1] == last
    assert not any(secret in answer.text for secret in ("CANARY", SECRET_KEY, "secret details"))


async def test_a_test_asks_a_store_in_trouble_once(one: Tenant, server: S3Server) -> None:
    server.trouble(times=9, status=503)
    assert steps_of(await tried(one, server.connection()))[-1] == ("database", False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("change", ["endpoint", "bucket", "region", "access_key", "path_style"])
async def test_the_stored_key_is_not_sent_to_another_place(
    one: Tenant, server: S3Server, change: str
) -> None:
    resource = await made(one, server.connection())
    value = {"endpoint": f"{server.url}/x", "bucket": "other", "path_style": False}.get(change, "other")
    path = f"/resources/{resource['id']}"
    for refused in (
        await one.owner.post(f"{path}/test", {"connection": {change: value}}),
        await one.owner.patch(path, {"connection": {change: value}}),
    ):
        assert (refused.status, refused.code) == (422, "secret_needed")
    assert server.requests == []


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "../x"}, {"bucket": "UPPER"}, {"endpoint": "ftp://host"}, {"region": "a b"},
        {"endpoint": "http://user:pass@host"}, {"prefix": "a\nb"}, {"surprise": 1},
    ],
)  # fmt: skip
async def test_what_can_be_no_bucket_is_refused_at_its_place(
    one: Tenant, server: S3Server, change: dict[str, Any]
) -> None:
    refused = await one.owner.post("/resources", {"name": "lake", "connection": server.connection(**change)})
    assert refused.status == 422
    assert next(iter(change)) in refused.text
    assert SECRET_KEY not in refused.text


async def test_the_secret_key_is_in_no_answer_and_in_no_log(
    system: System, one: Tenant, server: S3Server
) -> None:
    resource = await made(one, server.connection())
    path = f"/resources/{resource['id']}"
    await one.owner.get(path)
    await one.owner.get("/resources?type=s3")
    await one.owner.post(f"{path}/test")
    await one.owner.patch(path, {"connection": {"prefix": "x/"}})
    stored = (system.settings.var / "system.db").read_bytes()
    said = "\n".join(system.heard)
    assert resource["id"] in said
    for place in (said, system.log.getvalue(), stored.decode(errors="replace")):
        assert SECRET_KEY not in place
        assert "Signature=" not in place

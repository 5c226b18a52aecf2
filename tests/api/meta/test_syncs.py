"""Syncs and scans: started once, one at a time, cancelled, followed, given back."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.meta.scanners._base import Scanner
from services.meta.scanners._model import DatabaseInfo, SchemaList, TableFilter, Unit
from services.meta.scanners.sqlite import SqliteScanner
from shared.contracts.connection import SqliteConnection
from tests.api.meta.house import House, on_both_stores
from tests.contract.meta.targets import SqliteTarget

FILE = SqliteConnection(file="shop.db")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Scans of level 2 wait for this event before their last unit."""
    go = asyncio.Event()
    scan = SqliteScanner.scan

    async def waiting(self: Scanner, database: str, wanted: TableFilter) -> AsyncIterator[SchemaList | Unit]:
        async for part in scan(self, database, wanted):  # type: ignore[arg-type]  # the class under test
            if isinstance(part, Unit) and part.last:
                await go.wait()
            yield part

    monkeypatch.setattr(SqliteScanner, "scan", waiting)
    yield go
    go.set()


async def ready(house: House, shop: SqliteTarget) -> str:
    await shop.run("CREATE TABLE t (x INTEGER)", "CREATE TABLE u (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource_id: str = (await house.datasource())["id"]
    return datasource_id


async def running(house: House, datasource_id: str) -> str:
    """A scan that has stored its tables and is held before its end."""
    answer = await house.call("POST", f"/datasources/{datasource_id}/scan")
    assert answer.status == 202
    await house.until(lambda: house.items("/tables"), lambda tables: len(tables) == 2)
    sync_log_id: str = answer.body["id"]
    return sync_log_id


@on_both_stores
async def test_one_scan_at_a_time_and_the_conflict_names_it(
    house: House, shop: SqliteTarget, held: asyncio.Event
) -> None:
    datasource = await ready(house, shop)
    active = await running(house, datasource)
    for path in ("scan", "sync"):
        answer = await house.call("POST", f"/datasources/{datasource}/{path}")
        assert (answer.status, answer.body["code"]) == (409, "scan_active")
        assert active in answer.body["detail"]
    assert (await house.call("GET", f"/datasources/{datasource}")).body["active_sync_log_id"] == active
    held.set()
    assert (await house.over(active))["status"] == "success"
    assert (await house.call("POST", f"/datasources/{datasource}/sync")).status == 202


@on_both_stores
async def test_the_same_key_gives_the_same_sync_log_and_another_request_with_it_is_refused(
    house: House, shop: SqliteTarget
) -> None:
    datasource = await ready(house, shop)
    key = {"Idempotency-Key": "nightly-1"}
    first = await house.call("POST", f"/datasources/{datasource}/sync", headers=key)
    again = await house.call("POST", f"/datasources/{datasource}/sync", headers=key)
    assert first.headers["Location"].endswith(f"/sync-logs/{first.body['id']}")
    assert first.body["id"] == again.body["id"]
    other = await house.call("POST", f"/datasources/{datasource}/scan", headers=key)
    assert (other.status, other.body["code"]) == (409, "key_reused")


@on_both_stores
async def test_a_running_scan_is_cancelled_and_removes_nothing(
    house: House, shop: SqliteTarget, held: asyncio.Event
) -> None:
    datasource = await ready(house, shop)
    held.set()
    await house.scan(datasource)
    held.clear()
    await shop.run("DROP TABLE u")
    answer = await house.call("POST", f"/datasources/{datasource}/scan")
    sync_log = answer.body["id"]
    await house.until(
        lambda: house.call("GET", f"/sync-logs/{sync_log}"), lambda found: found.body["status"] == "running"
    )
    cancelled = await house.call("POST", f"/sync-logs/{sync_log}/cancel")
    assert cancelled.status == 202
    log = await house.over(sync_log)
    assert log["status"] == "cancelled"
    assert [table["name"] for table in await house.items("/tables")] == ["t", "u"]
    assert (await house.call("GET", f"/datasources/{datasource}")).body["active_sync_log_id"] is None
    again = await house.call("POST", f"/sync-logs/{sync_log}/cancel")
    assert (again.status, again.body["code"]) == (409, "not_cancellable")


@on_both_stores
async def test_events_are_numbered_complete_and_resumable(
    house: House, shop: SqliteTarget, held: asyncio.Event
) -> None:
    datasource = await ready(house, shop)
    sync_log = await running(house, datasource)
    reading = asyncio.create_task(read_events(house, sync_log))
    held.set()
    events = await asyncio.wait_for(reading, 20)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events[:2]] == ["queued", "started"]
    assert events[-1]["type"] == "finished"
    assert {name: events[-1]["data"][name] for name in ("seq", "type")} == {
        "seq": len(events),
        "type": "finished",
    }
    assert events[-1]["data"]["data"]["status"] == "success"
    assert events[-1]["data"]["data"]["tables_scanned"] == 2
    listed = (await house.call("GET", f"/sync-logs/{sync_log}/events?limit=2")).body
    assert listed["items"] == [event["data"] for event in events[:2]]
    more = await house.items(f"/sync-logs/{sync_log}/events?cursor={listed['next_cursor']}")
    assert more == [event["data"] for event in events[2:]]
    rest = await read_events(house, sync_log, after=2)
    assert rest == events[2:]
    assert await read_events(house, sync_log, after=len(events)) == []


async def test_a_scan_that_cannot_connect_fails_with_the_step(house: House, shop: SqliteTarget) -> None:
    datasource = await ready(house, shop)
    shop.path.unlink()
    answer = await house.call("POST", f"/datasources/{datasource}/sync")
    log = await house.over(answer.body["id"])
    assert (log["status"], log["error_code"]) == ("failed", "connect_failed")
    assert "file" in log["error"]
    assert str(shop.root) not in json.dumps(log)
    scanned = await house.scan(datasource)
    assert scanned["status"] == "failed"
    assert scanned["failures"][0]["database"] == "main"


async def test_unknown_databases_are_named_by_their_place(house: House, shop: SqliteTarget) -> None:
    datasource = await ready(house, shop)
    answer = await house.call(
        "POST", f"/datasources/{datasource}/scan", body={"databases": ["main", "other"]}
    )
    assert answer.status == 422
    assert [(fault["loc"], fault["code"]) for fault in answer.body["errors"]] == [
        (["body", "databases", 1], "database_unknown")
    ]


@pytest.mark.parametrize(
    ("request_line", "body", "status"),
    [
        ("GET /tables?colour=red", None, 422),
        ("GET /tables?type=index", None, 422),
        ("GET /tables?limit=0", None, 422),
        ("GET /tables?cursor=nonsense", None, 400),
        ("GET /tables?name=%00", None, 422),
        ("GET /fields?table_id=7", None, 422),
        ("GET /sync-logs?status=done", None, 422),
        ("POST /datasources/{datasource}/scan", {"database": ["main"]}, 422),
        ("POST /datasources/{datasource}/scan", {"databases": []}, 422),
        ("POST /datasources/{datasource}/scan", {"databases": ["a\x00"]}, 422),
        ("POST /datasources/{datasource}/scan", {"include": [{"name": "x"}]}, 422),
        ("POST /datasources/{datasource}/scan", {"include": [{"table": 5}]}, 422),
    ],
)
async def test_bad_input_is_a_problem_with_its_place(
    house: House, shop: SqliteTarget, request_line: str, body: Any, status: int
) -> None:
    method, path = request_line.split()
    datasource = await ready(house, shop) if "{datasource}" in path else ""
    answer = await house.call(method, path.format(datasource=datasource), body=body)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body["errors"][0]["loc"]
    assert len(await house.items("/sync-logs?sync_type=deep")) == 0


async def test_reading_and_scanning_need_their_scopes(house: House, shop: SqliteTarget) -> None:
    datasource = await ready(house, shop)
    denied = await house.call("POST", f"/datasources/{datasource}/scan", role="viewer")
    assert denied.status == 403
    assert (await house.call("GET", "/tables", scopes=["run:read"])).status == 403


async def read_events(house: House, sync_log: str, *, after: int | None = None) -> list[dict[str, Any]]:
    """All events until the stream ends."""
    headers = {
        "Authorization": f"Bearer {house.system.token(house.tenant)}",
        "Accept": "text/event-stream",
    }
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    events: list[dict[str, Any]] = []
    async with house.session.get(f"{house.url}/sync-logs/{sync_log}/events", headers=headers) as response:
        assert response.status == 200
        text = (await response.read()).decode()
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in lines:
            events.append({"id": int(lines["id"]), "type": lines["event"], "data": json.loads(lines["data"])})
    return events


async def test_level_one_lists_what_the_scanner_finds_and_marks_what_is_gone(
    house: House, shop: SqliteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasource = await ready(house, shop)
    await house.scan(datasource)

    async def others(self: Scanner) -> list[DatabaseInfo]:
        return [DatabaseInfo("other", owner="me", is_accessible=False, failure="it is closed")]

    monkeypatch.setattr(SqliteScanner, "list_databases", others)
    answer = await house.call("POST", f"/datasources/{datasource}/sync")
    log = await house.over(answer.body["id"])
    assert (log["status"], log["failures"][0]["reason"]) == ("partial", "it is closed")
    assert [each["name"] for each in await house.items("/databases")] == ["other"]
    assert [each["name"] for each in await house.items("/databases?removed=true")] == ["main"]
    assert await house.items("/tables") == []

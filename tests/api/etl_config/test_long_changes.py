"""Changes that outlive their request, their process or their luck."""

import asyncio
from typing import Any

import pytest

from services.etl.tables.changing.workshop import Workshop
from services.etl.tables.errors import TargetBusy, TargetHalfway
from services.etl.tables.targets.sqlite import SqliteTarget
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, history, patched, process_is_gone, run, state


class Slow:
    """A target whose work waits until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        carry_out = SqliteTarget.carry_out

        async def slowly(target: SqliteTarget, *given: Any, **more: Any) -> Any:
            self.begun.set()
            await self.go_on.wait()
            return await carry_out(target, *given, **more)

        monkeypatch.setattr(SqliteTarget, "carry_out", slowly)


def impatiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait for their change a moment only."""
    carry_out = Workshop.carry_out

    async def waited(self: Workshop, work: Any, *, patience: float | None) -> Any:
        return await carry_out(self, work, patience=0.05)

    monkeypatch.setattr(Workshop, "carry_out", waited)


async def ended(house: House, table: Any, change_id: str) -> Any:
    path = f"/data-tables/{table['id']}/history/{change_id}"
    async with asyncio.timeout(20):
        while True:
            found = (await house.call("GET", path, expect=200)).body
            if found["state"] != "running":
                return found
            await asyncio.sleep(0.02)


async def test_a_long_change_goes_on_without_its_request(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    path, slow = f"/data-tables/{table['id']}", Slow(monkeypatch)
    impatiently(monkeypatch)

    answer = await house.call("POST", f"{path}/publish", body=body)

    assert answer.status == 202
    change_id = answer.body["changing"]
    assert answer.headers["Location"].endswith(f"{path}/history/{change_id}")
    assert (await house.call("POST", f"{path}/publish", body=body)).problem() == (409, "table_is_changing")
    deleted = await house.call("DELETE", path, version=1)
    assert deleted.problem() == (409, "table_is_changing")
    slow.go_on.set()
    assert (await ended(house, table, change_id))["state"] == "done"
    assert (await house.call("GET", path)).body["changing"] is None
    assert await state(house, table) == ("created", "synced")


async def test_a_client_that_goes_away_does_not_stop_its_change(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    slow = Slow(monkeypatch)
    request = asyncio.create_task(house.call("POST", f"/data-tables/{table['id']}/publish", body=body))
    await asyncio.wait_for(slow.begun.wait(), 10)
    request.cancel()
    await asyncio.wait({request})

    slow.go_on.set()

    (change,) = await history(house, table)
    assert (await ended(house, table, change["id"]))["state"] == "done"
    assert await state(house, table) == ("created", "synced")


async def test_a_change_whose_process_is_gone_is_lost_and_the_table_free(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    with monkeypatch.context() as crash:
        slow = Slow(crash)
        request = asyncio.create_task(house.call("POST", f"/data-tables/{table['id']}/publish", body=body))
        await asyncio.wait_for(slow.begun.wait(), 10)
        request.cancel()
        await asyncio.wait({request})
    await process_is_gone(house)

    await house.publish(table)

    states = [one["state"] for one in await history(house, table)]
    assert states == ["done", "lost"]


async def test_a_change_that_fails_on_its_way_is_looked_at_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    await house.publish(table)
    await patched(house, table, columns=MORE)
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}

    async def halfway(*_: Any, **__: Any) -> Any:
        await run(house, table, "ALTER TABLE flights ADD COLUMN gate2 TEXT")
        raise TargetHalfway(reason="its disk is full")

    with monkeypatch.context() as crash:
        crash.setattr(SqliteTarget, "carry_out", halfway)
        refused = await house.call("POST", f"/data-tables/{table['id']}/apply", body=body)

    assert refused.problem() == (409, "target_halfway")
    assert await state(house, table) == ("created", "ghost")
    (newest, *_) = await history(house, table)
    assert (newest["state"], newest["problem"]["code"]) == ("failed", "target_halfway")


async def test_a_table_that_is_locked_hides_no_other_of_its_resource(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = await house.warehouse()
    tables = [
        await house.draft(resource_id=warehouse, physical_name=name, display_name=name)
        for name in ("locked", "free")
    ]
    for table in tables:
        await house.publish(table)
    examine = SqliteTarget.examine

    async def locked(target: SqliteTarget, place: Any, ask: Any) -> Any:
        if place.location.name == "locked":
            raise TargetBusy
        return await examine(target, place, ask)

    monkeypatch.setattr(SqliteTarget, "examine", locked)

    found = (await house.call("POST", "/data-tables:inspect", body={}, expect=200)).body

    problems = {one["display_name"]: one["problem"] for one in found}
    assert problems["free"] is None
    assert "locked by somebody else" in problems["locked"]


async def test_a_table_that_its_change_has_locked_is_told_as_being_changed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    await house.publish(table)
    await patched(house, table, columns=MORE)
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    slow = Slow(monkeypatch)
    impatiently(monkeypatch)
    begun = (await house.call("POST", f"/data-tables/{table['id']}/publish", body=body, expect=202)).body

    async def locked(*_: Any) -> Any:
        raise TargetBusy

    monkeypatch.setattr(SqliteTarget, "examine", locked)
    found = (await house.call("POST", f"/data-tables/{table['id']}/inspect", expect=200)).body

    assert found["problem"] == "a change of it is under way"
    slow.go_on.set()
    await ended(house, table, begun["changing"])

"""Plans carried out: who may, what is asked for, what is written down, and what goes on by itself."""

import asyncio
from contextlib import closing
from uuid import UUID

import pytest

from shared.contracts.scopes import SCOPES
from shared.identifiers import uuid7
from tests.api.etl_config.house import COLUMNS, House
from tests.api.etl_config.tables import MORE, history, patched, run, state, target

WITHOUT_FARE = COLUMNS[:2]


async def test_of_two_who_apply_the_same_plan_one_wins(house: House) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    path = f"/data-tables/{table['id']}/publish"

    answers = await asyncio.gather(*(house.call("POST", path, body=body) for _ in range(4)))

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert {answer.body["code"] for answer in answers if answer.status == 409} <= {
        "plan_outdated",
        "table_is_changing",
    }
    assert [one["state"] for one in await history(house, table)].count("done") == 1


async def test_data_goes_only_when_its_table_is_named(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    await patched(house, table, columns=WITHOUT_FARE)
    plan = await house.plan(table)
    path, body = f"/data-tables/{table['id']}/apply", {"plan_hash": plan["plan_hash"]}

    refused = await house.call("POST", path, body=body)
    wrong = await house.call("POST", path, body=body | {"confirm": "Flights"})
    done = await house.call("POST", path, body=body | {"confirm": plan["confirm"]}, expect=200)

    assert (plan["destructive"], plan["confirm"], plan["possible"]) == (True, "flights", True)
    assert refused.problem() == wrong.problem() == (422, "confirmation_needed")
    assert refused.places == ["body.confirm"]
    assert done.body["sync_state"] == "synced"
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT * FROM flights").fetchall() == [("AA", 1)]


async def test_a_table_is_renamed_with_its_columns_and_rows(house: House) -> None:
    table = await house.draft()
    columns = (await house.publish(table))["columns"]
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    columns[0]["name"] = "airline"
    pending = await patched(
        house, table, physical_name="departures", columns=columns, primary_key=["airline", "flight"]
    )

    plan = await house.plan(table)
    done = await house.publish(table)

    assert (pending["sync_state"], plan["kind"], plan["destructive"]) == ("pending", "change", False)
    assert (plan["rows"], plan["exact"]) == (1, True)
    assert (done["sync_state"], done["physical_name"]) == ("synced", "departures")
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT airline, flight, fare FROM departures").fetchall() == [
            ("AA", 1, "2.50")
        ]
    assert (await house.plan(table))["kind"] == "none"


async def test_rows_that_stand_against_a_change_are_counted_and_shown_to_those_who_may_publish(
    house: House,
) -> None:
    table = await house.draft()
    columns = (await house.publish(table))["columns"]
    await run(house, table, "INSERT INTO flights VALUES ('7', 1, NULL), ('AA', 2, '1.00')")
    columns[2]["nullable"], columns[0]["type"] = False, "int32"
    await patched(house, table, columns=columns)
    path = f"/data-tables/{table['id']}"

    plan = await house.plan(table)
    reader = {"Authorization": f"Bearer {house.system.token(house.tenant, scopes=['table:read'])}"}
    read = (await house.call("POST", f"{path}/plan", headers=reader, expect=200)).body
    refused = await house.call("POST", f"{path}/apply", body={"plan_hash": plan["plan_hash"]})

    found = {one["code"]: (one["loc"], one["rows"], one["samples"]) for one in plan["checks"] if one["rows"]}
    assert found["value_missing"][:2] == (["columns", 2, "nullable"], 1)
    assert found["value_unfit"] == (["columns", 0, "type"], 1, ["AA"])
    assert plan["possible"] is False
    assert [one["samples"] for one in read["checks"]] == [[] for _ in read["checks"]]
    assert refused.problem() == (409, "checks_failed")
    assert set(refused.places) == {"columns.2.nullable", "columns.0.type"}
    (newest, *_) = await history(house, table)
    assert (newest["state"], newest["problem"]["code"]) == ("refused", "checks_failed")
    assert await state(house, table) == ("created", "pending")


async def test_only_a_published_table_is_applied(house: House) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}

    refused = await house.call("POST", f"/data-tables/{table['id']}/apply", body=body)

    assert refused.problem() == (409, "table_is_draft")


async def test_a_change_is_written_down_with_its_statements_and_who_did_it(house: House) -> None:
    table = await house.draft()
    await house.publish(table)

    (change,) = await history(house, table)

    assert (change["kind"], change["state"], change["revision"]) == ("publish", "done", 1)
    assert change["statements"][0]["sql"].startswith("CREATE TABLE")
    assert change["step"] == change["steps"] >= len(change["statements"])
    assert UUID(change["by"])
    path = f"/data-tables/{table['id']}/history/{change['id']}"
    assert (await house.call("GET", path, expect=200)).body == change
    everything = (await house.call("GET", "/data-table-changes", expect=200)).body["items"]
    assert everything == [change]


async def test_history_stays_when_the_table_goes_and_belongs_to_its_tenant(house: House) -> None:
    table = await house.draft()
    done = await house.publish(table)
    path = f"/data-tables/{table['id']}"
    await house.call("DELETE", f"{path}?physical=drop&confirm=flights", version=done["version"], expect=204)

    kinds = [(one["kind"], one["state"]) for one in await history(house, table)]

    assert kinds == [("drop", "done"), ("publish", "done")]
    other = await house.call("GET", f"{path}/history", tenant=uuid7())  # type: ignore[arg-type]  # an id
    assert other.problem() == (404, "data_table_unknown")
    unknown = await house.call("GET", f"{path}/history/{uuid7()}")
    assert unknown.problem() == (404, "change_unknown")


async def test_a_plan_says_what_breaks_in_tasks(house: House) -> None:
    task = await house.task()
    table = {"id": task["table_id"]}
    await house.publish(table)
    await patched(house, table, columns=WITHOUT_FARE)

    (affected,) = (await house.plan(table))["affected_tasks"]

    assert affected["id"] == task["id"]
    assert any("fare" in sentence for sentence in affected["breaks"])


@pytest.mark.parametrize("member", ["confirm", "plan_hash"])
async def test_a_nul_is_refused_with_its_place(house: House, member: str) -> None:
    table = await house.draft()
    body = {"plan_hash": "0" * 64, member: "a\0b"}

    refused = await house.call("POST", f"/data-tables/{table['id']}/publish", body=body)

    assert refused.status in {400, 422}


async def test_reading_is_not_enough_to_publish_or_repair(house: House) -> None:
    table = await house.draft()
    scopes = [scope for scope in SCOPES if scope != "table:publish"]
    reader = {"Authorization": f"Bearer {house.system.token(house.tenant, scopes=scopes)}"}
    path = f"/data-tables/{table['id']}"

    for what, more in (("publish", {}), ("apply", {}), ("repair", {"action": "draft"})):
        body = {"plan_hash": "0" * 64} | more
        refused = await house.call("POST", f"{path}/{what}", body=body, headers=reader)
        assert refused.problem() == (403, "scope_missing")


async def test_moved_rows_are_the_size_of_a_plan(house: House) -> None:
    table = await house.draft()
    assert (await house.plan(table))["rows"] is None
    await house.publish(table)
    await patched(house, table, columns=MORE)

    plan = await house.plan(table)

    assert (plan["rows"], plan["exact"]) == (0, True)
    assert plan["statements"][0]["seconds"] == 0.0

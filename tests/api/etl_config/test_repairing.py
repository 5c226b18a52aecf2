"""Ghosts and orphans: how they are found, and the ways out."""

from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.connection import PostgresqlConnection
from shared.identifiers import uuid7
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched, run, target


async def inspected(house: House, table: Any) -> Any:
    return (await house.call("POST", f"/data-tables/{table['id']}/inspect", expect=200)).body


async def repair_plan(house: House, table: Any, action: str) -> Any:
    path = f"/data-tables/{table['id']}/repair-plan"
    return (await house.call("POST", path, body={"action": action}, expect=200)).body


async def repaired(house: House, table: Any, action: str, **more: Any) -> Any:
    plan = await repair_plan(house, table, action)
    body = {"action": action, "plan_hash": plan["plan_hash"], "confirm": plan["confirm"]} | more
    return (await house.call("POST", f"/data-tables/{table['id']}/repair", body=body, expect=200)).body


def names(house: House, table: Any) -> list[str]:
    with closing(target(house, table)) as connection:
        found = connection.execute("SELECT name FROM pragma_table_info('flights')").fetchall()
    return [name for (name,) in found]


async def published(house: House, **changes: Any) -> Any:
    table = await house.draft(**changes)
    return await house.publish(table)


async def test_a_look_finds_a_table_that_is_gone_and_one_that_is_back(house: House) -> None:
    table = await published(house)
    assert (await inspected(house, table))["finding"] is None
    await run(house, table, "ALTER TABLE flights RENAME TO elsewhere")

    gone = await inspected(house, table)
    ghosts = (await house.call("GET", "/ghosts", expect=200)).body["items"]
    await run(house, table, "ALTER TABLE elsewhere RENAME TO flights")
    back = await inspected(house, table)

    assert (gone["finding"], gone["sync_state"]) == ("missing", "ghost")
    assert [(one["table_id"], one["finding"]) for one in ghosts] == [(table["id"], "missing")]
    assert ghosts[0]["inspected_at"] is not None
    assert (back["finding"], back["sync_state"]) == (None, "synced")
    assert (await house.call("GET", "/ghosts")).body["items"] == []


async def test_a_look_says_in_words_how_a_table_has_drifted(house: House) -> None:
    table = await published(house)
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")

    found = await inspected(house, table)

    assert (found["finding"], found["sync_state"]) == ("drifted", "ghost")
    assert "surprise" in found["differences"][0]


async def test_a_target_that_is_away_makes_no_ghost_of_its_tables(house: House) -> None:
    table = await published(house)
    info = PostgresqlConnection(host="127.0.0.1", port=1, user="u", tls="disable")
    away = await house.draft(resource_id=str(await house.system.create(house.tenant, info, told=False)))

    found = await inspected(house, away)
    everything = (await house.call("POST", "/data-tables:inspect", expect=200)).body

    assert found["finding"] is None
    assert found["problem"]
    assert [one["table_id"] for one in everything] == [table["id"]]


async def test_a_table_that_is_gone_is_made_again(house: House) -> None:
    table = await published(house)
    await run(house, table, "DROP TABLE flights")
    await inspected(house, table)

    plan = await repair_plan(house, table, "recreate")
    done = await repaired(house, table, "recreate")

    assert plan["plan"]["kind"] == "create"
    assert done["sync_state"] == "synced"
    assert names(house, table) == ["carrier", "flight", "fare"]


async def test_a_drifted_table_is_led_back_to_its_configuration(house: House) -> None:
    table = await published(house)
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")
    await inspected(house, table)

    plan = await repair_plan(house, table, "recreate")
    body = {"action": "recreate", "plan_hash": plan["plan_hash"]}
    path = f"/data-tables/{table['id']}/repair"
    unconfirmed = await house.call("POST", path, body=body)
    done = await house.call("POST", path, body=body | {"confirm": "flights"}, expect=200)

    assert (plan["confirm"], plan["plan"]["destructive"]) == ("flights", True)
    assert unconfirmed.problem() == (422, "confirmation_needed")
    assert done.body["sync_state"] == "synced"
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT * FROM flights").fetchall() == [("AA", 1, "2.50")]


async def test_what_is_there_becomes_the_configuration(house: House) -> None:
    table = await published(house)
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")
    await patched(house, table, comment="Edited meanwhile.")
    await inspected(house, table)

    plan = await repair_plan(house, table, "adopt")
    done = await repaired(house, table, "adopt")

    assert any("surprise" in sentence for sentence in plan["changes"])
    assert (done["state"], done["sync_state"]) == ("created", "synced")
    assert [column["name"] for column in done["columns"]] == ["carrier", "flight", "fare", "surprise"]
    assert [column["id"] for column in done["columns"]][:3] == [column["id"] for column in table["columns"]]
    assert done["revision"] == done["published_revision"] == 3
    assert (await house.plan(table))["kind"] == "none"
    assert (await inspected(house, table))["finding"] is None


async def test_an_adoption_is_outdated_when_the_target_moves(house: House) -> None:
    table = await published(house)
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")
    plan = await repair_plan(house, table, "adopt")
    await run(house, table, "ALTER TABLE flights ADD COLUMN another TEXT")

    body = {"action": "adopt", "plan_hash": plan["plan_hash"]}
    refused = await house.call("POST", f"/data-tables/{table['id']}/repair", body=body)

    assert refused.problem() == (409, "plan_outdated")
    assert len((await house.call("GET", f"/data-tables/{table['id']}")).body["columns"]) == 3


async def test_a_table_that_is_gone_can_not_be_adopted_nor_a_draft_be_repaired(house: House) -> None:
    table = await published(house)
    await run(house, table, "DROP TABLE flights")
    draft = await house.draft()

    for one, action in ((table, "adopt"), (draft, "recreate"), (draft, "adopt"), (draft, "draft")):
        path, body = f"/data-tables/{one['id']}/repair-plan", {"action": action}
        assert (await house.call("POST", path, body=body)).problem() == (409, "repair_impossible")


async def test_a_ghost_becomes_a_draft_and_the_table_stays_without_our_mark(house: House) -> None:
    table = await published(house)
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")

    done = await repaired(house, table, "draft")

    assert (done["state"], done["sync_state"], done["published_revision"]) == ("draft", None, None)
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT carrier FROM flights").fetchall() == [("AA",)]
        assert connection.execute("SELECT count(*) FROM _penstock_tables").fetchone() == (0,)
    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")
    assert refused.problem() == (409, "table_occupied")
    await patched(house, table, physical_name="flights2")
    assert (await house.publish(table))["sync_state"] == "synced"


async def test_a_table_whose_resource_is_gone_becomes_a_draft_all_the_same(house: House) -> None:
    table = await published(house)
    await house.system.change(UUID(table["resource_id"]), deleted=True, told=False)  # type: ignore[arg-type]  # an id

    assert (await repaired(house, table, "draft"))["state"] == "draft"


async def test_a_forgotten_table_is_an_orphan_until_it_is_adopted(house: House) -> None:
    table = await published(house, comment="All flights.")
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    listed = f"/orphan-tables?resource_id={table['resource_id']}"
    assert (await house.call("GET", listed, expect=200)).body == []
    await house.call("DELETE", f"/data-tables/{table['id']}", version=table["version"], expect=204)

    (orphan,) = (await house.call("GET", listed, expect=200)).body
    where = {name: orphan[name] for name in ("resource_id", "table_id", "schema_name", "physical_name")}
    made = await house.call(
        "POST", "/orphan-tables:adopt", body=where | {"display_name": "Again"}, expect=201
    )

    assert (orphan["physical_name"], orphan["exists"]) == ("flights", True)
    assert (made.body["state"], made.body["sync_state"]) == ("created", "synced")
    assert [column["name"] for column in made.body["columns"]] == ["carrier", "flight", "fare"]
    assert (await house.call("GET", listed)).body == []
    assert (await house.plan(made.body))["kind"] == "none"
    twice = await house.call("POST", "/orphan-tables:adopt", body=where | {"display_name": "Again"})
    assert twice.problem() == (404, "orphan_unknown")


async def test_a_forgotten_orphan_keeps_its_rows_and_loses_our_mark(house: House) -> None:
    table = await published(house)
    await run(house, table, "INSERT INTO flights VALUES ('AA', 1, '2.50')")
    await house.call("DELETE", f"/data-tables/{table['id']}", version=table["version"], expect=204)
    listed = f"/orphan-tables?resource_id={table['resource_id']}"
    (orphan,) = (await house.call("GET", listed, expect=200)).body
    where = {name: orphan[name] for name in ("resource_id", "table_id", "schema_name", "physical_name")}

    await house.call("POST", "/orphan-tables:forget", body=where, expect=204)

    assert (await house.call("GET", listed)).body == []
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT count(*) FROM flights").fetchone() == (1,)
    again = await house.call("POST", "/orphan-tables:forget", body=where)
    assert again.problem() == (404, "orphan_unknown")


async def test_a_table_of_another_tenant_in_the_same_resource_is_no_orphan(house: House) -> None:
    table = await published(house)
    where = {
        "resource_id": table["resource_id"],
        "table_id": table["id"],
        "schema_name": None,
        "physical_name": "flights",
    }

    refused = await house.call("POST", "/orphan-tables:forget", body=where)

    assert refused.problem() == (404, "orphan_unknown")


@pytest.mark.parametrize("name", ["a\0b", "", "x" * 300])
async def test_an_orphan_with_an_impossible_name_is_refused(house: House, name: str) -> None:
    table = await published(house)
    where = {"resource_id": table["resource_id"], "table_id": str(uuid7()), "physical_name": name}

    refused = await house.call("POST", "/orphan-tables:forget", body=where)

    assert refused.status in {400, 404, 422}


async def test_an_edit_that_is_pending_is_repaired_to_the_configuration_of_now(house: House) -> None:
    table = await published(house)
    await patched(house, table, columns=MORE)
    await run(house, table, "ALTER TABLE flights RENAME COLUMN fare TO price")
    await inspected(house, table)

    done = await repaired(house, table, "recreate")

    assert done["sync_state"] == "synced"
    assert names(house, table) == ["carrier", "flight", "fare", "gate"]

"""A table of one data table is never taken for another's, and a name in a request never for another name."""

from contextlib import closing
from typing import Any

import pytest

from tests.api.etl_config.house import House
from tests.api.etl_config.tables import patched, run, target


async def published(house: House, **changes: Any) -> Any:
    return await house.publish(await house.draft(**changes))


async def inspected(house: House, table: Any) -> Any:
    return (await house.call("POST", f"/data-tables/{table['id']}/inspect", expect=200)).body


async def two_of_one_shape(house: House) -> tuple[Any, Any]:
    """Both are to be renamed, the first to the name of the second, and the table of the first is gone."""
    first = await published(house, physical_name="first")
    second = await published(house, physical_name="second", resource_id=first["resource_id"])
    await run(house, second, "INSERT INTO second VALUES ('AA', 1, '2.50')")
    await patched(house, second, physical_name="third")
    first = await patched(house, first, physical_name="second")
    await run(house, first, "DROP TABLE first")
    return first, second


async def test_a_table_that_is_gone_does_not_take_over_one_of_another_data_table(house: House) -> None:
    first, second = await two_of_one_shape(house)

    seen = await inspected(house, first)
    answer = await house.call("POST", f"/data-tables/{first['id']}/plan")
    body = {"action": "recreate"}
    repair = await house.call("POST", f"/data-tables/{first['id']}/repair-plan", body=body)
    adopt = {"action": "adopt"}
    adoption = await house.call("POST", f"/data-tables/{first['id']}/repair-plan", body=adopt)

    assert (seen["finding"], seen["sync_state"]) == ("replaced", "ghost")
    assert seen["differences"] == ["a table of another data table has its name"]
    assert answer.problem() == repair.problem() == (409, "table_occupied")
    assert adoption.problem() == (409, "repair_impossible")
    assert (await house.plan(second))["kind"] == "change"


async def test_a_table_that_is_gone_is_made_again_once_its_name_is_free(house: House) -> None:
    first, second = await two_of_one_shape(house)

    await house.publish(second)
    assert (await house.plan(first))["kind"] == "create"
    await house.publish(first)

    with closing(target(house, first)) as connection:
        assert connection.execute("SELECT count(*) FROM third").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM second").fetchone() == (0,)


async def test_a_table_of_another_data_table_is_not_dropped(house: House) -> None:
    first, second = await two_of_one_shape(house)

    path = f"/data-tables/{first['id']}"
    version = (await house.call("GET", path)).body["version"]
    refused = await house.call("DELETE", f"{path}?physical=drop&confirm=first", version=version)

    assert refused.problem() == (409, "not_our_table")
    with closing(target(house, second)) as connection:
        assert connection.execute("SELECT count(*) FROM second").fetchone() == (1,)


async def test_a_view_in_the_place_of_a_table_is_seen_as_what_it_is(house: House) -> None:
    table = await published(house)
    await run(house, table, "DROP TABLE flights")
    await run(house, table, "CREATE VIEW flights AS SELECT 1 AS carrier")

    seen = await inspected(house, table)

    assert (seen["finding"], seen["differences"]) == ("replaced", ["a view has its name"])
    await patched(house, table, physical_name="departures")
    assert (await house.plan(table))["kind"] == "create"


async def test_an_orphan_is_adopted_and_forgotten_under_its_own_name_only(house: House) -> None:
    table = await published(house)
    await house.call("DELETE", f"/data-tables/{table['id']}", version=table["version"], expect=204)
    where = {"resource_id": table["resource_id"], "table_id": table["id"], "physical_name": "departures"}

    adopted = await house.call("POST", "/orphan-tables:adopt", body=where | {"display_name": "Again"})
    forgotten = await house.call("POST", "/orphan-tables:forget", body=where)

    assert adopted.problem() == forgotten.problem() == (404, "orphan_unknown")
    listed = await house.call("GET", f"/orphan-tables?resource_id={table['resource_id']}", expect=200)
    assert [one["physical_name"] for one in listed.body] == ["flights"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (f'a int, "{"n" * 300}" text', "longer than 255 characters"),
        (", ".join(f"c{number} int" for number in range(1001)), "it has 1001 columns"),
    ],
)
async def test_a_table_that_no_data_table_has_room_for_is_not_adopted(
    house: House, columns: str, said: str
) -> None:
    table = await published(house)
    await run(house, table, "DROP TABLE flights")
    await run(house, table, f"CREATE TABLE flights ({columns})")
    path = f"/data-tables/{table['id']}"

    repair = await house.call("POST", f"{path}/repair-plan", body={"action": "adopt"})
    await house.call("DELETE", path, version=(await house.call("GET", path)).body["version"], expect=204)
    where = {"resource_id": table["resource_id"], "table_id": table["id"], "physical_name": "flights"}
    adopted = await house.call("POST", "/orphan-tables:adopt", body=where | {"display_name": "Again"})

    for refused in (repair, adopted):
        assert refused.problem() == (409, "repair_impossible")
        assert said in refused.body["detail"]


async def test_an_adoption_to_where_another_data_table_is_to_lie_changes_nothing(house: House) -> None:
    table = await published(house)
    await patched(house, table, physical_name="departures")
    await house.draft(resource_id=table["resource_id"])
    path = f"/data-tables/{table['id']}"
    body = {"action": "adopt"}
    plan = (await house.call("POST", f"{path}/repair-plan", body=body, expect=200)).body

    refused = await house.call("POST", f"{path}/repair", body=body | {"plan_hash": plan["plan_hash"]})

    assert refused.problem() == (409, "location_taken")
    after = (await house.call("GET", path, expect=200)).body
    assert (after["sync_state"], after["changing"]) == ("pending", None)
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT revision FROM _penstock_tables").fetchall() == [(1,)]


async def test_a_table_that_was_gone_when_it_was_dropped_leaves_no_orphan(house: House) -> None:
    table = await published(house)
    await run(house, table, "DROP TABLE flights")

    path = f"/data-tables/{table['id']}?physical=drop&confirm=flights"
    await house.call("DELETE", path, version=table["version"], expect=204)

    listed = await house.call("GET", f"/orphan-tables?resource_id={table['resource_id']}", expect=200)
    assert listed.body == []

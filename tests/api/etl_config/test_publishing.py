from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.etl.tables.changing.carrying import Carrier
from services.etl.tables.targets.sqlite import SqliteTarget
from shared.contracts.connection import PostgresqlConnection
from shared.errors import Unavailable
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched, process_is_gone, run, state, target
from tests.servers.postgres import Dsn


async def test_a_draft_is_published_in_one_transaction_with_its_bookkeeping(house: House) -> None:
    table = await house.draft()
    assert (table["state"], table["sync_state"], table["published_revision"]) == ("draft", None, None)

    done = await house.publish(table)

    assert (done["state"], done["sync_state"], done["published_revision"]) == ("created", "synced", 1)
    assert done["last_published_at"] is not None
    with closing(target(house, table)) as connection:
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert names == {"flights", "_penstock_ledger", "_penstock_fence", "_penstock_tables"}


async def test_a_plan_shows_statements_with_their_risk_and_changes_nothing(house: House) -> None:
    table = await house.draft()

    plan = await house.plan(table)

    assert plan["kind"] == "create"
    assert plan["statements"][0]["sql"].startswith('CREATE TABLE "flights"')
    assert plan["statements"][0]["risk"] == "safe"
    assert any("_penstock_ledger" in sql for sql in plan["bookkeeping"])
    assert plan == await house.plan(table)
    assert await state(house, table) == ("draft", None)


async def test_a_published_table_gets_columns_and_comments(house: House) -> None:
    table = await house.draft()
    await house.publish(table)

    pending = await patched(house, table, columns=MORE)
    plan = await house.plan(table)
    done = await house.publish(table)

    assert pending["sync_state"] == "pending"
    assert [one["sql"] for one in plan["statements"]] == ['ALTER TABLE "flights" ADD COLUMN "gate" TEXT']
    assert (done["sync_state"], done["published_revision"]) == ("synced", 2)
    revisions = (await house.call("GET", f"/data-tables/{table['id']}/revisions?published=true")).body
    assert [one["revision"] for one in revisions["items"]] == [2, 1]


async def test_a_plan_is_outdated_when_the_definition_has_changed(house: House) -> None:
    table = await house.draft()
    plan = await house.plan(table)
    await patched(house, table, columns=MORE)

    refused = await house.call(
        "POST", f"/data-tables/{table['id']}/publish", body={"plan_hash": plan["plan_hash"]}
    )

    assert refused.problem() == (409, "plan_outdated")


async def test_a_plan_is_outdated_when_the_target_has_moved(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await patched(house, table, columns=MORE)
    plan = await house.plan(table)
    await run(house, table, "CREATE INDEX somebody ON flights (fare)")

    refused = await house.call(
        "POST", f"/data-tables/{table['id']}/publish", body={"plan_hash": plan["plan_hash"]}
    )

    assert refused.problem() == (409, "plan_outdated")
    with closing(target(house, table)) as connection:
        columns = connection.execute("SELECT count(*) FROM pragma_table_info('flights')").fetchone()
    assert columns == (3,)


async def test_a_plan_is_good_once(house: House) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}
    path = f"/data-tables/{table['id']}/publish"
    await house.call("POST", path, body=body, expect=200)

    assert (await house.call("POST", path, body=body)).problem() == (409, "plan_outdated")


async def test_a_table_that_somebody_dropped_is_a_ghost_and_can_be_made_again(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await run(house, table, "DROP TABLE flights")

    plan = await house.plan(table)

    assert plan["kind"] == "create"
    assert await state(house, table) == ("created", "ghost")
    assert (await house.publish(table))["sync_state"] == "synced"


async def test_a_table_that_somebody_changed_is_a_ghost_until_it_is_as_before(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await run(house, table, "ALTER TABLE flights ADD COLUMN surprise TEXT")

    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")

    assert refused.problem() == (409, "table_drifted")
    assert "surprise" in refused.body["detail"]
    assert await state(house, table) == ("created", "ghost")
    await run(house, table, "ALTER TABLE flights DROP COLUMN surprise")
    assert (await house.plan(table))["kind"] == "none"
    assert await state(house, table) == ("created", "synced")


async def test_a_table_of_somebody_else_is_not_taken_over(house: House) -> None:
    first = await house.draft(physical_name="mine")
    await house.publish(first)
    await run(house, first, "CREATE TABLE flights (carrier TEXT)")
    table = await house.draft(resource_id=first["resource_id"])

    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")

    assert refused.problem() == (409, "table_occupied")


async def test_a_forgotten_table_stays_in_the_target(house: House) -> None:
    table = await house.draft()
    done = await house.publish(table)

    await house.call("DELETE", f"/data-tables/{table['id']}", version=done["version"], expect=204)

    assert (await house.call("GET", f"/data-tables/{table['id']}")).problem() == (404, "data_table_unknown")
    with closing(target(house, table)) as connection:
        assert connection.execute("SELECT count(*) FROM flights").fetchone() == (0,)


async def test_dropping_asks_for_the_name_and_then_takes_the_table(house: House) -> None:
    table = await house.draft()
    version = (await house.publish(table))["version"]
    path = f"/data-tables/{table['id']}?physical=drop"

    unconfirmed = await house.call("DELETE", path, version=version)
    await house.call("DELETE", f"{path}&confirm=flights", version=version, expect=204)

    assert unconfirmed.problem() == (422, "confirmation_needed")
    with closing(target(house, table)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name = 'flights'").fetchone()
    assert found is None


async def test_a_table_that_tasks_fill_is_neither_forgotten_nor_dropped(house: House) -> None:
    task = await house.task()
    path = f"/data-tables/{task['table_id']}"

    forgotten = await house.call("DELETE", path, version=1)
    dropped = await house.call("DELETE", f"{path}?physical=drop&confirm=flights", version=1)

    assert forgotten.problem() == dropped.problem() == (409, "data_table_in_use")
    assert task["name"] in forgotten.body["detail"]


async def test_a_plan_names_the_tasks_that_fill_the_table(house: House) -> None:
    task = await house.task()

    plan = await house.plan({"id": task["table_id"]})

    assert plan["affected_tasks"] == [{"id": task["id"], "name": task["name"], "breaks": []}]


async def test_a_target_that_can_not_be_reached_is_503_and_nothing_has_happened(house: House) -> None:
    info = PostgresqlConnection(host="127.0.0.1", port=1, user="u", tls="disable")
    resource = str(await house.system.create(house.tenant, info, told=False))
    table = await house.draft(resource_id=resource)

    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")

    assert refused.problem() == (503, "connect_failed")


async def test_a_resource_that_is_gone_is_a_conflict(house: House) -> None:
    table = await house.draft()
    await house.system.change(UUID(table["resource_id"]), deleted=True, told=False)  # type: ignore[arg-type]  # an id

    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")

    assert refused.problem() == (409, "resource_gone")


@pytest.mark.postgres
async def test_a_table_is_published_and_changed_on_postgresql(house: House, postgres_database: Dsn) -> None:
    dsn = postgres_database
    info = PostgresqlConnection(
        host=dsn.host,
        port=dsn.port,
        database=dsn.database,
        user=dsn.user,
        password=SecretStr(dsn.password),
        tls="disable",
    )
    table = await house.draft(resource_id=str(await house.system.create(house.tenant, info, told=False)))

    await house.publish(table)
    await patched(house, table, columns=MORE, comment="All flights.")
    await house.publish(table)

    assert (await house.plan(table))["kind"] == "none"
    comments = await dsn.fetch(
        "SELECT obj_description('public.flights'::regclass),"
        " col_description('public.flights'::regclass, 4), col_description('public.flights'::regclass, 3)"
    )
    assert comments == [("All flights.", "Where.", "In dollars.")]
    ours = await dsn.fetch(
        "SELECT relname::text FROM pg_class WHERE relname ~ '^_penstock' AND relkind = 'r'"
    )
    assert {name for (name,) in ours} == {"_penstock_ledger", "_penstock_fence", "_penstock_tables"}


@pytest.mark.parametrize("changes", [{}, {"columns": MORE}], ids=["as it was", "edited meanwhile"])
async def test_a_publish_that_ends_between_the_target_and_our_own_database_is_taken_up(
    house: House, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    table = await house.draft()
    body = {"plan_hash": (await house.plan(table))["plan_hash"]}

    async def killed(*_: object) -> None:
        raise Unavailable(what="The database")

    with monkeypatch.context() as crash:
        crash.setattr(Carrier, "_persist", killed)
        await house.call("POST", f"/data-tables/{table['id']}/publish", body=body, expect=503)
    assert await state(house, table) == ("draft", None)
    await process_is_gone(house)
    if changes:
        await patched(house, table, **changes)

    plan = await house.plan(table)
    seen = await state(house, table)
    done = await house.publish(table)

    assert plan["kind"] == ("change" if changes else "adopt")
    assert len(plan["statements"]) == len(changes)
    assert seen == ("created", "pending" if changes else "synced")
    assert done["sync_state"] == "synced"
    assert (await house.plan(table))["kind"] == "none"


async def test_an_edit_during_a_publish_is_pending_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await house.draft()
    publish = SqliteTarget.carry_out

    async def meanwhile(self: SqliteTarget, *given: Any, **more: Any) -> Any:
        seen = await publish(self, *given, **more)
        await patched(house, table, columns=MORE)
        return seen

    monkeypatch.setattr(SqliteTarget, "carry_out", meanwhile)

    done = await house.publish(table)

    assert (done["sync_state"], done["revision"], done["published_revision"]) == ("pending", 2, 1)

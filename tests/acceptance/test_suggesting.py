"""From what the catalog knows to a data table, with the services as they are wired."""

from tests.acceptance.process import ETL, META
from tests.acceptance.test_tenants import catalog
from tests.acceptance.workshop import Workshop, rows


def test_a_table_of_the_catalog_and_a_file_become_data_tables(tenant_one: Workshop) -> None:
    caller, warehouse = tenant_one.caller, tenant_one.warehouse()
    tenant_one.table("known", warehouse)
    catalog(caller)
    (known,) = caller.items(f"{META}/tables?name=known")
    file = tenant_one.upload("sent.csv", rows(3))

    origins = {"catalog": {"table_id": known["id"]}, "csv": {"file_id": file}}
    made = {}
    for kind, origin in origins.items():
        body = {"from": {"kind": kind, **origin}, "resource_id": warehouse}
        suggested = caller.post(f"{ETL}/data-tables:suggest", body)
        made[kind] = caller.post(f"{ETL}/data-tables", suggested["table"])
        plan = caller.post(f"{ETL}/data-tables/{made[kind]['id']}/plan")
        caller.post(f"{ETL}/data-tables/{made[kind]['id']}/publish", {"plan_hash": plan["plan_hash"]})

    assert (made["catalog"]["physical_name"], made["catalog"]["primary_key"]) == ("known_2", ["id"])
    assert [one["type"] for one in made["catalog"]["columns"]] == ["int64", "text", "decimal(12,2)"]
    assert [one["name"] for one in made["csv"]["columns"]] == ["id", "name", "amount"]

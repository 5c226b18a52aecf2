"""Over every operation that the document of Meta has: other tenants, bad input."""

from shared.contracts.connection import SqliteConnection
from shared.contracts.scopes import SCOPES
from shared.identifiers import TenantId, uuid7
from tests.api.bad_input import BadInput
from tests.api.documents import Api
from tests.api.isolation import Matrix
from tests.api.meta.house import House
from tests.contract.meta.targets import SqliteTarget


def headers(house: House, tenant: TenantId) -> dict[str, str]:
    """Of a caller with every scope."""
    return {"Authorization": f"Bearer {house.system.token(tenant, scopes=list(SCOPES))}"}


async def test_whatever_belongs_to_one_tenant_does_not_exist_for_another(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    await house.system.create(house.tenant, SqliteConnection(file="shop.db"))
    datasource = (await house.datasource())["id"]
    log = await house.scan(datasource)
    (table,) = await house.items("/tables")
    owned = {
        "datasource": datasource,
        "sync_log": log["id"],
        "table": table["id"],
        "database": table["database_id"],
    }
    api = await Api.at(house.session, house.url)
    assert await Matrix(api, owned, headers(house, TenantId(uuid7()))).findings() == []


async def test_bad_input_to_any_operation_is_a_problem(house: House) -> None:
    api = await Api.at(house.session, house.url)
    assert await BadInput(api, headers(house, house.tenant)).findings() == []

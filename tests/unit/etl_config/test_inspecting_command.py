"""Inspections from the command line: all that is found in each resource, whatever the others do."""

import asyncio

from services.etl.operate.inspecting import inspect
from services.etl.tables.definition import Location
from services.etl.tables.ghosts.inspecting import Inspecting, Inspection, Orphan
from services.etl.tables.physical import Marked
from services.etl.tables.states import State
from shared import clock
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.engines.errors import ConnectRefused
from shared.identifiers import DataTableId, ResourceId, TenantId, uuid7


def resource(name: str, *, deleted: bool = False) -> ResourceSummary:
    return ResourceSummary(
        resource_id=ResourceId(uuid7()),
        tenant_id=TenantId(uuid7()),
        resource_type="sqlite",
        name=name,
        version=1,
        deleted=deleted,
        tenant_slug="one",
    )


class Looks(Inspecting):
    """A table in each resource, the orphan `lost` in those that let themselves be searched."""

    def __init__(self, state: State = State.SYNCED, *, away: ResourceSummary | None = None) -> None:
        self._state, self._away = state, away
        self.searched: list[ResourceId] = []
        self.at_once = self.most_at_once = 0

    async def inspect_all(
        self, scope: TenantScope, resource_id: ResourceId | None = None
    ) -> list[Inspection]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        assert resource_id is not None
        found = Inspection(
            table_id=DataTableId(uuid7()),
            display_name="Goods",
            resource_id=resource_id,
            location=Location("public", "goods"),
            before=self._state,
            after=self._state,
            finding=None,
            differences=("the column 'a' is new",),
            problem=None,
            at=clock.now(),
        )
        return [found]

    async def orphans(self, scope: TenantScope, resource_id: ResourceId) -> list[Orphan]:
        self.searched.append(resource_id)
        if self._away is None:
            return []
        if resource_id == self._away.resource_id:
            raise ConnectRefused(step="connect", reason="nobody answers")
        marked = Marked(uuid7(), Location("public", "lost"), 3, "fingerprint", exists=False)
        return [Orphan(resource_id, marked)]


async def test_each_table_is_reported_under_its_resource() -> None:
    found = await inspect([resource("a"), resource("b")], Looks())
    assert [(one.resource, one.table, one.state.value) for one in found.tables] == [
        ("a", "public.goods", "synced"),
        ("b", "public.goods", "synced"),
    ]
    assert found.tables[0].differences == ("the column 'a' is new",)
    assert found.is_well


async def test_a_ghost_is_not_well_and_a_pending_table_is() -> None:
    ghost = await inspect([resource("a")], Looks(State.GHOST))
    pending = await inspect([resource("a")], Looks(State.PENDING))
    assert (ghost.is_well, pending.is_well) == (False, True)


async def test_a_resource_that_can_not_be_searched_is_a_failure_beside_the_orphans_of_others() -> None:
    away = resource("away")
    found = await inspect([away, resource("there")], Looks(away=away))
    assert [(one.resource, one.table, one.revision, one.exists) for one in found.orphans] == [
        ("there", "public.lost", 3, False)
    ]
    ((name, reason),) = [(one.resource, one.reason) for one in found.failures]
    assert (name, "nobody answers" in reason) == ("away", True)
    assert not found.is_well


async def test_a_deleted_resource_has_data_tables_still_and_is_not_searched() -> None:
    looks, gone = Looks(), resource("gone", deleted=True)
    found = await inspect([gone], looks)
    assert ([one.resource for one in found.tables], looks.searched) == (["gone"], [])


async def test_a_few_resources_are_looked_at_at_a_time() -> None:
    looks = Looks()
    await inspect([resource(str(number)) for number in range(20)], looks)
    assert 1 < looks.most_at_once <= 4

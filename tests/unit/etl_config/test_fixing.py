"""Repairs from the command line: which tables are meant, and what becomes of each."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.etl.operate.fixing import Fixing, NoSuchDataTable, Wish
from services.etl.operate.reports import RepairReport
from services.etl.tables.definition import Location
from services.etl.tables.dialects import Check, Finding, Sql, Statement
from services.etl.tables.errors import TargetBusy
from services.etl.tables.ghosts.inspecting import Inspecting, Inspection
from services.etl.tables.ghosts.repairing import Repairing, RepairPlan
from services.etl.tables.plans.applying import Applied
from services.etl.tables.plans.plan import Plan
from services.etl.tables.plans.planning import ShownPlan
from services.etl.tables.states import State
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.errors import Fault, PenstockError
from shared.identifiers import DataTableId, ResourceId, TenantId, uuid7

SHOP = ResourceSummary(
    resource_id=ResourceId(uuid7()),
    tenant_id=TenantId(uuid7()),
    resource_type="sqlite",
    name="shop",
    version=1,
    tenant_slug="one",
)
DROP = Statement(Sql("DROP"), "destroys", "It goes.")
MAKE = Statement(Sql("MAKE"), "safe", "It comes.")


def seen(name: str, state: State = State.GHOST, *, problem: str | None = None) -> Inspection:
    return Inspection(
        table_id=DataTableId(uuid7()),
        display_name=f"The {name}",
        resource_id=SHOP.resource_id,
        location=Location("public", name),
        before=state,
        after=state,
        finding=None,
        differences=(),
        problem=problem,
        at=datetime.now(UTC),
    )


class Looks(Inspecting):
    def __init__(self, *tables: Inspection) -> None:
        self._found = list(tables)

    async def inspect_all(
        self, scope: TenantScope, resource_id: ResourceId | None = None
    ) -> list[Inspection]:
        assert (scope, resource_id) == (TenantScope(SHOP.tenant_id), SHOP.resource_id)
        return self._found


class Repairs(Repairing):
    """Plans with these statements, and the repairs that were asked for."""

    def __init__(self, *statements: Statement, fault: Fault | None = None, rows: int = 0) -> None:
        check = Check(("columns", 0, "type"), "value_unfit", "{rows} a value that is no number", Sql("COUNT"))
        self._plan = Plan("change", statements, "hash", (check,), (fault,) if fault else ())
        self._finding = Finding(check, rows)
        self.refusal: PenstockError | None = None
        self.asked: list[dict[str, Any]] = []

    async def plan(self, scope: TenantScope, table_id: DataTableId, action: Any) -> RepairPlan:
        shown = ShownPlan(
            table_id,
            1,
            self._plan,
            None,
            [self._finding],
            confirm="goods" if self._plan.destructive else None,
            bookkeeping=[],
            tasks=[],
            run_id=None,
            change_id=None,
        )
        return RepairPlan(table_id, action, "hash", shown=shown)

    async def repair(self, scope: TenantScope, table_id: DataTableId, action: Any, **how: Any) -> Applied:
        self.asked.append(how)
        if self.refusal:
            raise self.refusal
        return Applied.__new__(Applied)


async def fixed(looks: Looks, repairs: Repairs, **wish: Any) -> list[RepairReport]:
    return list(await Fixing(looks, repairs).fix([SHOP], Wish(**wish)))


async def test_ghosts_and_what_could_not_be_seen_are_repaired_and_others_left_alone() -> None:
    looks = Looks(
        seen("ghost"), seen("synced", State.SYNCED), seen("pending", State.PENDING), seen("away", problem="x")
    )
    assert [one.table for one in await fixed(looks, Repairs(MAKE))] == ["public.ghost", "public.away"]


@pytest.mark.parametrize("name", ["goods", "public.goods", "The goods", "id"])
async def test_a_table_is_named_by_any_of_its_names(name: str) -> None:
    goods = seen("goods")
    name = str(goods.table_id) if name == "id" else name
    (report,) = await fixed(Looks(goods, seen("other")), Repairs(MAKE), tables=(name,))
    assert report.id == goods.table_id


async def test_a_name_that_no_table_has_stops_everything() -> None:
    repairs = Repairs(MAKE)
    with pytest.raises(NoSuchDataTable):
        await fixed(Looks(seen("goods")), repairs, tables=("goods", "gods"), really=True)
    assert repairs.asked == []


async def test_nothing_is_done_unless_it_is_really_wished() -> None:
    repairs = Repairs(MAKE)
    (report,) = await fixed(Looks(seen("goods")), repairs)
    assert (report.outcome, repairs.asked) == ("planned", [])


async def test_a_repair_is_that_of_the_plan_and_waited_for() -> None:
    repairs = Repairs(MAKE)
    (report,) = await fixed(Looks(seen("goods")), repairs, really=True)
    assert report.outcome == "repaired"
    assert repairs.asked == [{"plan_hash": "hash", "by": None, "confirm": None, "to_the_end": True}]


async def test_values_go_only_when_their_table_is_named() -> None:
    repairs, looks = Repairs(DROP), Looks(seen("goods"))
    (refused,) = await fixed(looks, repairs, really=True, confirmed=frozenset({"other"}))
    assert (refused.outcome, refused.confirm, repairs.asked) == ("unconfirmed", "goods", [])
    (done,) = await fixed(looks, repairs, really=True, confirmed=frozenset({"goods"}))
    assert done.outcome == "repaired"
    assert repairs.asked[0]["confirm"] == "goods"


async def test_what_stands_against_a_plan_is_said_with_its_place() -> None:
    looks = Looks(seen("goods"))
    (found,) = await fixed(looks, Repairs(MAKE, rows=3), really=True)
    assert (found.outcome, found.reason) == (
        "impossible",
        "columns.0.type: 3 rows have a value that is no number",
    )
    fault = Fault(("columns", 1), "default_kept", "it can't be made")
    (faulty,) = await fixed(looks, Repairs(MAKE, fault=fault), really=True)
    assert (faulty.outcome, faulty.reason) == ("impossible", "columns.1: it can't be made")


async def test_a_refusal_is_the_reason_and_the_next_table_has_its_turn() -> None:
    repairs = Repairs(MAKE)
    repairs.refusal = TargetBusy()
    reports = await fixed(Looks(seen("one"), seen("two")), repairs, really=True)
    assert [one.outcome for one in reports] == ["failed", "failed"]
    assert "locked" in str(reports[0].reason)

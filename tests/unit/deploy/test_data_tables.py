"""Inspections and repairs as people see them."""

from typing import Any

import pytest

from deploy.supervisor import data_tables

WHERE = {"id": "0", "tenant": "one", "resource": "shop"}


def table(name: str, state: str, *differences: str, reason: str | None = None) -> dict[str, Any]:
    return WHERE | {"table": name, "state": state, "differences": list(differences), "reason": reason}


def repair(outcome: str, **changes: Any) -> dict[str, Any]:
    facts = {"action": "recreate", "destructive": True, "confirm": "the goods", "reason": None}
    statement = {"sql": "DROP\nTABLE x", "risk": "destroys", "reason": "It goes."}
    plan = {"statements": [statement], "differences": ["the column 'a' is new"]}
    return WHERE | facts | plan | {"table": "goods", "outcome": outcome} | changes


class TestInspection:
    def test_each_thing_that_was_looked_at_has_a_line(self) -> None:
        found = {
            "tables": [
                table("goods", "synced"),
                table("sales", "ghost", "the column 'a' is missing", "the column 'b' is new"),
                table("costs", "synced", reason="The target is away."),
            ],
            "orphans": [
                WHERE | {"table": "old", "revision": 3, "exists": True},
                WHERE | {"table": "older", "revision": 1, "exists": False},
            ],
            "failures": [WHERE | {"reason": "Nobody answers."}],
        }
        assert data_tables.inspection(found) == [
            "table           state    what",
            "one/shop/goods  synced",
            "one/shop/sales  ghost    the column 'a' is missing; the column 'b' is new",
            "one/shop/costs  unknown  The target is away.",
            "one/shop/old    orphan   has our mark (revision 3) and belongs to no data table",
            "one/shop/older  orphan   is gone, its mark is left (revision 1) and belongs to no data table",
            "one/shop        failed   Nobody answers.",
        ]

    def test_nothing_at_all_is_said_so(self) -> None:
        nothing: dict[str, Any] = {"tables": [], "orphans": [], "failures": []}
        assert data_tables.inspection(nothing) == ["There are no data tables."]


class TestRepairs:
    def test_a_plan_shows_differences_statements_and_their_risks(self) -> None:
        assert data_tables.repairs([repair("planned")]) == [
            "one/shop/goods: recreate",
            "  the column 'a' is new",
            "  destroys  DROP TABLE x",
            "            It goes.",
            "  -> nothing is done yet: --yes does it",
        ]

    @pytest.mark.parametrize(
        ("outcome", "said"),
        [
            ("repaired", "done"),
            ("unconfirmed", "nothing is done: values would go; add --confirm='the goods'"),
            ("impossible", "nothing is done: It {can't}."),
            ("failed", "failed: It {can't}."),
        ],
    )
    def test_the_last_line_says_what_became_of_it(self, outcome: str, said: str) -> None:
        lines = data_tables.repairs([repair(outcome, reason="It {can't}.")])
        assert lines[-1] == f"  -> {said}"

    def test_nothing_to_repair_is_said_so(self) -> None:
        assert data_tables.repairs([]) == ["There is nothing to repair."]

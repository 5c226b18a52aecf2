"""Data tables for people at a terminal: what an inspection found, what repairs do or have done."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.supervisor import tables

_HEAD: Final = ("table", "state", "what")
_OUTCOMES: Final = {
    "planned": "nothing is done yet: --yes does it",
    "repaired": "done",
    "unconfirmed": "nothing is done: values would go; add --confirm={confirm}",
    "impossible": "nothing is done: {reason}",
    "failed": "failed: {reason}",
}


def inspection(found: Mapping[str, Any]) -> list[str]:
    """A line for each data table, each orphan and each resource that couldn't be looked at."""
    rows = [
        *((_place(one), _state(one), _told(one)) for one in found["tables"]),
        *((_place(one), "orphan", _orphan(one)) for one in found["orphans"]),
        *((_resource(one), "failed", one["reason"]) for one in found["failures"]),
    ]
    return tables.lines(_HEAD, rows) if rows else ["There are no data tables."]


def repairs(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each repair as a block: what it does, each statement with its risk, and what has become of it."""
    return [line for one in found for line in _repair(one)] if found else ["There is nothing to repair."]


def _repair(one: Mapping[str, Any]) -> Iterator[str]:
    yield tables.printable(f"{_place(one)}: {one['action']}")
    for difference in one["differences"]:
        yield tables.printable(f"  {difference}")
    for statement in one["statements"]:
        yield tables.printable(f"  {statement['risk']:<8}  {statement['sql']}")
        yield tables.printable(f"            {statement['reason']}")
    facts = {**one, "confirm": shlex.quote(one["confirm"])}
    yield tables.printable(f"  -> {_OUTCOMES[one['outcome']].format_map(facts)}")


def _state(one: Mapping[str, Any]) -> str:
    return "unknown" if one["reason"] else one["state"]


def _told(one: Mapping[str, Any]) -> str:
    return one["reason"] or "; ".join(one["differences"])


def _orphan(one: Mapping[str, Any]) -> str:
    left = "has our mark" if one["exists"] else "is gone, its mark is left"
    return f"{left} (revision {one['revision']}) and belongs to no data table"


def _place(one: Mapping[str, Any]) -> str:
    return f"{_resource(one)}/{one['table']}"


def _resource(one: Mapping[str, Any]) -> str:
    return f"{one['tenant']}/{one['resource']}"

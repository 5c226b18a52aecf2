"""The columns of a table of PostgreSQL, as they are now, against those that a run writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.etl.columns import Columns
from services.etl.destinations import _postgresql_sql as sql
from services.etl.pipeline.definition import History
from services.etl.pipeline.errors import TargetUnfit

_NO_EQUALITY: Final = frozenset({"json", "xml", "point", "polygon"})
_TIMES: Final = frozenset({"time", "timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column that is written: its type in pg_type, whether that is built in, its modifier, and whether its
    collation tells all texts apart.
    """

    name: str
    type_name: str
    built_in: bool
    modifier: int
    deterministic: bool

    @property
    def has_equality(self) -> bool:
        """Whether `=` says that two values are the same: not for citext, which takes A and a for one."""
        return self.built_in and self.deterministic and self.type_name not in _NO_EQUALITY


async def found_columns(
    connection: Any, table: int, columns: Columns, history: History | None
) -> list[FoundColumn]:
    """The columns that are written, in their order. Raises TargetUnfit where the table can't take them."""
    found = {row["name"]: row for row in await connection.fetch(sql.COLUMNS, table)}
    for name in columns.names:
        _check(name, found)
    given = {*columns.names, *(history.columns if history else ())}
    for name, row in found.items():
        if name not in given and row["not_null"] and not row["filled"]:
            raise TargetUnfit(reason=f"its column {name!r} must have a value")
    if history:
        _check_history(history, found)
    return [_column(found[name]) for name in columns.names]


def _check(name: str, found: Mapping[str, Any]) -> None:
    row = found.get(name)
    if row is None:
        raise TargetUnfit(reason=f"it has no column {name!r}")
    if row["read_only"]:
        raise TargetUnfit(reason=f"its column {name!r} is generated and can't be written")
    if row["type_name"] in _TIMES and row["modifier"] not in sql.EXACT_TIME:
        raise TargetUnfit(reason=f"its column {name!r} would round times")


def _check_history(history: History, found: Mapping[str, Any]) -> None:
    for name in history.columns:
        _check(name, found)
    for name in (history.valid_from, history.valid_to):
        if found[name]["type_name"] not in {"timestamp", "timestamptz"}:
            raise TargetUnfit(reason=f"its column {name!r} keeps no moments")
    if found[history.valid_to]["not_null"]:
        raise TargetUnfit(reason=f"its column {history.valid_to!r} can't be NULL, as it is while valid")
    if history.active is not None and found[history.active]["type_name"] != "bool":
        raise TargetUnfit(reason=f"its column {history.active!r} does not keep true and false")


def _column(row: Any) -> FoundColumn:
    return FoundColumn(row["name"], row["type_name"], row["built_in"], row["modifier"], row["deterministic"])

"""The columns of a table of PostgreSQL, as they are now, against those that a run writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.etl.columns import Column, Columns, Kind
from services.etl.destinations import _postgresql_sql as sql
from services.etl.pipeline.definition import History
from services.etl.pipeline.errors import TargetUnfit

_TEXTS: Final = frozenset({"text", "varchar"})
_NUMBERS: Final = frozenset({"int2", "int4", "int8", "numeric", "float8"})
_JSON: Final = frozenset({"json", "jsonb"})
_KEEPS: Final[Mapping[Kind, frozenset[str]]] = {
    "boolean": frozenset({"bool"}),
    "int16": _NUMBERS | _TEXTS,
    "int32": _NUMBERS | _TEXTS,
    "int64": _NUMBERS | _TEXTS,
    "decimal": frozenset({"numeric"}) | _TEXTS,
    "float32": frozenset({"float4", "float8"}),
    "float64": frozenset({"float8"}),
    "date": frozenset({"date"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"timestamp"}),
    "timestamptz": frozenset({"timestamptz"}),
    "json": _JSON | _TEXTS,
    "uuid": frozenset({"uuid"}) | _TEXTS,
    "bytes": frozenset({"bytea"}),
}
"""Types that take every value of a kind as it is, or refuse it: the server would make a date of a moment, and
a moment in its own zone of a wall clock's time, without a word."""

_OF_THEIR_OWN: Final = frozenset().union(*_KEEPS.values()) - _TEXTS - {"numeric"}
"""Types that texts are no longer meant for: the server reads more out of some than it keeps."""

_EXACT: Final = frozenset(
    {
        "bool", "int2", "int4", "int8", "oid", "numeric", "text", "varchar", "bpchar", "name", "bytea",
        "date", "time", "timestamp", "timestamptz", "uuid", "jsonb",
    }
)  # fmt: skip
"""Types whose `=` tells values apart. Others take 30 days for a month, or boxes of one size for the same."""

_FLOATS: Final[Mapping[str, str]] = {"float4": sql.FLOAT4_BYTES, "float8": sql.FLOAT8_BYTES}
_TIMES: Final = frozenset({"time", "timestamp", "timestamptz", "timetz"})
_ANY_INTERVAL: Final = frozenset({-1, 0x7FFF0006, 0x7FFFFFFF})
"""Modifiers of intervals with all their parts, to the microsecond."""


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column that is written: its type in pg_type, whether that is built in, its modifier, the type under
    it if it is a domain (else itself) with its modifier, and whether its collation tells all texts apart.
    """

    name: str
    type_name: str
    built_in: bool
    modifier: int
    base_name: str
    base_built_in: bool
    base_modifier: int
    deterministic: bool

    @property
    def comparison(self) -> str | None:
        """How its values are compared where `=` takes some for the same that differ: for citext, A and a."""
        if not (self.base_built_in and self.deterministic):
            return sql.AS_TEXT
        if self.base_name in _FLOATS:  # a negative zero is none
            return _FLOATS[self.base_name]
        return None if self.base_name in _EXACT else sql.AS_TEXT

    def longest(self, column: Column) -> int | None:
        """How many characters fit, if the rows may have more: the server cuts blanks beyond it in silence."""
        bounded = self.base_built_in and self.base_name in {"varchar", "bpchar"} and self.base_modifier >= 0
        longest = self.base_modifier - sql.MODIFIER_HEADER if bounded else None
        if longest is None or (column.type.length or longest + 1) <= longest:
            return None
        return longest

    @property
    def scale(self) -> int | None:
        """How many digits after the point fit, if there is a bound. The server rounds beyond it."""
        bounded = self.base_built_in and self.base_name == "numeric" and self.base_modifier >= 0
        if not bounded:
            return None
        scale = (self.base_modifier - sql.MODIFIER_HEADER) & 0x7FF
        return (scale ^ 1024) - 1024


async def found_columns(
    connection: Any, table: int, columns: Columns, history: History | None
) -> list[FoundColumn]:
    """The columns that are written, in their order. Raises TargetUnfit where the table can't take them."""
    rows = {row["name"]: row for row in await connection.fetch(sql.COLUMNS, table)}
    for name in (*columns.names, *(history.columns if history else ())):
        _check_writable(name, rows)
    given = {*columns.names, *(history.columns if history else ())}
    for name, row in rows.items():
        if name not in given and row["not_null"] and not row["filled"]:
            raise TargetUnfit(reason=f"its column {name!r} must have a value")
    if history:
        _check_history(history, rows)
    found = [_column(rows[name]) for name in columns.names]
    for column, there in zip(columns, found, strict=True):
        _check_type(column, there)
    return found


def comparisons(found: Sequence[FoundColumn]) -> dict[str, str]:
    """The columns that are not compared by `=`, each with the way in which it is."""
    return {one.name: one.comparison for one in found if one.comparison is not None}


def _check_writable(name: str, found: Mapping[str, Any]) -> None:
    row = found.get(name)
    if row is None:
        raise TargetUnfit(reason=f"it has no column {name!r}")
    if row["read_only"]:
        raise TargetUnfit(reason=f"its column {name!r} is generated and can't be written")
    base, modifier = row["base_name"], row["base_modifier"]
    exact = modifier in (sql.EXACT_TIME if base in _TIMES else _ANY_INTERVAL)
    if row["base_built_in"] and base in {*_TIMES, "interval"} and not exact:
        raise TargetUnfit(reason=f"its column {name!r} would round times")


def _check_type(column: Column, there: FoundColumn) -> None:
    """Raises TargetUnfit where the column's type is another one than it was, which would change values."""
    kind, base = column.type.kind, there.base_name
    if kind in _TEXTS:
        fits = not there.built_in or base not in _OF_THEIR_OWN
    elif there.base_built_in:
        fits = base in _KEEPS[kind]
    else:
        fits = kind in {"json", "uuid"}
    if not fits:
        raise TargetUnfit(reason=f"its column {column.name!r} is {base}, which can change {column.type}")


def _check_history(history: History, found: Mapping[str, Any]) -> None:
    for name in (history.valid_from, history.valid_to):
        if found[name]["type_name"] not in {"timestamp", "timestamptz"}:
            raise TargetUnfit(reason=f"its column {name!r} keeps no moments")
    if found[history.valid_to]["not_null"]:
        raise TargetUnfit(reason=f"its column {history.valid_to!r} can't be NULL, as it is while valid")
    if history.active is not None and found[history.active]["type_name"] != "bool":
        raise TargetUnfit(reason=f"its column {history.active!r} does not keep true and false")


def _column(row: Any) -> FoundColumn:
    return FoundColumn(
        name=row["name"],
        type_name=row["type_name"],
        built_in=row["built_in"],
        modifier=row["modifier"],
        base_name=row["base_name"],
        base_built_in=row["base_built_in"],
        base_modifier=row["base_modifier"],
        deterministic=row["deterministic"],
    )

"""Rows at random, for tests of steps: few different values, so that some repeat, with NULLs between."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

from services.etl.columns import INTEGER_RANGES, Columns, ColumnType, Kind

NULLS: Final = 0.15
"""The share of NULLs in columns that may have them."""

_TEXTS: Final = (
    "",
    "a",
    "Ab c",
    " x ",
    "näive",
    "日本",
    "12",
    "-7.5",
    "2026-01-31",
    "a,b;c",
    "🙂",
    "'\"\\\n",
)
_JSON: Final = ("{}", '{"a": {"b": [1.10, null]}}', "[1, 2, {}]", '"text"', "null", "12345678901234567890")
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def rows(columns: Columns, count: int, random: Random) -> list[dict[str, Any]]:
    """So many rows of Python values; equal seeds give equal rows."""
    return [
        {
            column.name: None if column.nullable and random.random() < NULLS else value(column.type, random)
            for column in columns
        }
        for _ in range(count)
    ]


def value(kind: ColumnType, random: Random) -> Any:
    """A value of a type as Arrow takes it from Python."""
    return _VALUES[kind.kind](kind, random)


def _text(kind: ColumnType, random: Random) -> str:
    return random.choice(_TEXTS)[: kind.length]


def _integer(kind: ColumnType, random: Random) -> int:
    low, high = INTEGER_RANGES[kind.kind]
    choices: tuple[int, ...] = (low, high, *range(-3, 10))
    return random.choice(choices)


def _decimal(kind: ColumnType, random: Random) -> Decimal:
    digits = random.randint(1, kind.precision or 1)
    return Decimal(random.randrange(-(10**digits) + 1, 10**digits)).scaleb(-(kind.scale or 0))


def _moment(_kind: ColumnType, random: Random) -> datetime:
    return _START + timedelta(
        microseconds=random.choice((0, 1, -1, 86_400_000_000)) * random.randint(0, 40_000)
    )


_VALUES: Final[Mapping[Kind, Callable[[ColumnType, Random], Any]]] = {
    "text": _text,
    "varchar": _text,
    "boolean": lambda _, random: random.random() < 0.5,  # noqa: PLR2004  a coin
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "decimal": _decimal,
    "float32": lambda _, random: random.choice((0.0, -1.5, 0.25, 1024.0)),
    "float64": lambda _, random: random.choice((0.0, -1.5, 0.1, 1e15)),
    "date": lambda _, random: date(2026, 1, 1) + timedelta(days=random.randint(-5, 5)),
    "time": lambda _, random: time(random.randint(0, 23), 30, 0, random.choice((0, 1))),
    "timestamp": lambda kind, random: _moment(kind, random).replace(tzinfo=None),
    "timestamptz": _moment,
    "json": lambda _, random: random.choice(_JSON),
    "uuid": lambda _, random: str(UUID(int=random.randint(0, 9))),
    "bytes": lambda _, random: random.choice((b"", b"\x00\xff", b"a")),
}

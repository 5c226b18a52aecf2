"""Every cast that there is, with NULLs, extremes and odd spellings, beside the oracle: on each database."""

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects.casts import castable
from shared.identifiers import uuid7

from .casting import cast
from .conftest import Room
from .definitions import TYPES
from .pairs import SCHEMA, Pair, Story
from .values import ODD_TEXTS, Unfit, spelled

pytestmark = pytest.mark.asyncio(loop_scope="module")

Cast = tuple[ColumnType, ColumnType]

AT_ONCE: Final = 12
"""Columns of a table."""

_MOMENTS: Final = [
    dt.datetime(2026, 1, 31, 13, 45),  # noqa: DTZ001 - a time without zone is what is meant
    dt.datetime(1999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001 - as above
    dt.datetime(2024, 2, 29),  # noqa: DTZ001 - as above
    dt.datetime(1000, 1, 2, 0, 0, 0, 10),  # noqa: DTZ001 - as above
]
_VALUES: Final[Mapping[Kind, Sequence[Any]]] = {
    "boolean": [True, False],
    "float32": [0.0, 1.5, -0.10000000149011612, 16777216.0],
    "float64": [0.0, 1.5, 0.1, -1e300],
    "date": [moment.date() for moment in _MOMENTS] + [dt.date(9999, 12, 31)],
    "time": [dt.time(), dt.time(13, 45), dt.time(23, 59, 59, 999_999), dt.time(1, 2, 3, 400_000)],
    "timestamp": _MOMENTS,
    "timestamptz": [moment.replace(tzinfo=dt.UTC) for moment in _MOMENTS],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1), UUID("018f0000-0000-7000-8000-0000000000aa")],
    "bytes": [b"", b"\x00\xff"],
}


def samples(kind: ColumnType) -> list[Any]:
    """Values of a type, NULL among them."""
    if kind.is_text:
        return [None, *dict.fromkeys(text[: kind.length] for text in (*ODD_TEXTS, *_spellings()))]
    if kind.is_integer:
        low, high = INTEGER_RANGES[kind.kind]
        return [None, low, high, -1, 0, 1, 7, 32_767, -32_768]
    if kind.kind == "decimal":
        one, most = (Decimal(f"{digits}E-{kind.scale}") for digits in (1, 10 ** (kind.precision or 0) - 1))
        wholes = [Decimal(0), Decimal(7)] if kind.precision != kind.scale else [Decimal(0)]
        return [None, most, most.copy_negate(), one, *wholes]
    return [None, *_VALUES.get(kind.kind, [])]


def _spellings() -> Iterator[str]:
    for kind in TYPES:
        if not kind.is_text and kind.kind not in {"json", "decimal"} and not kind.is_integer:
            yield from (spelled(kind, value) for value in _VALUES[kind.kind])


def casts() -> list[Cast]:
    """All casts between different types."""
    known = list(dict.fromkeys(TYPES))
    every = itertools.product(known, known)
    return [
        (one, other) for one, other in every if one != other and castable(one, other) and samples(one)[1:]
    ]


def fits(value: Any, one: Cast) -> bool:
    """Whether the oracle takes the value."""
    try:
        cast(*one, value)
    except Unfit:
        return False
    return True


def tables(schema: str | None) -> Iterator[Pair]:
    """Tables whose columns are all cast: first with every value, then with those that fit."""
    every = casts()
    for first in range(0, len(every), AT_ONCE):
        some = every[first : first + AT_ONCE]
        known = [[value for value in samples(one[0]) if fits(value, one)] for one in some]
        yield _table(schema, some, [samples(one[0]) for one in some])
        yield _table(schema, some, known)


def _table(schema: str | None, some: Sequence[Cast], values: Sequence[Sequence[Any]]) -> Pair:
    ids = [uuid7() for _ in some]
    before, after = (
        TableDefinition(
            columns=[
                ColumnDefinition(id=identity, name=f"c {place}", type=one[side])
                for place, (identity, one) in enumerate(zip(ids, some, strict=True))
            ]
        )
        for side in (0, 1)
    )
    rows = [
        {identity: known[number % len(known)] for identity, known in zip(ids, values, strict=True)}
        for number in range(max(map(len, values)))
    ]
    place = Location(schema, "casts")
    return Pair(place, before, place, after, rows, dict.fromkeys(ids))


async def played(room: Room, schema: str | None) -> None:
    """All of them."""
    for pair in tables(schema):
        async with room() as database:
            await Story(database, pair).told()


async def test_every_cast_on_sqlite_is_the_oracles(sqlite: Room) -> None:
    await played(sqlite, None)


@pytest.mark.postgres
async def test_every_cast_on_postgresql_is_the_oracles(postgresql: Room) -> None:
    await played(postgresql, SCHEMA)


@pytest.mark.mariadb
async def test_every_cast_on_mysql_is_the_oracles(mysql: Room) -> None:
    await played(mysql, SCHEMA)

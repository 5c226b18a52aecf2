"""How PostgreSQL turns the values of a column into another type, and which of them it can't turn exactly.

`pg_input_is_valid` is there from PostgreSQL 16 on only. So a text is compared with a pattern first, and only
what has the shape of a number or a time is computed with, inside a CASE: asking never raises. The patterns
take what `literals.canonical` takes, in the spellings that PostgreSQL reads the same way.

Functions are named with their schema, and operators get operands of exactly their types: so nobody who may
make functions in another schema of the search path can put one of theirs in the place of ours (manual,
section 10.3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind

from ._postgresql_types import type_name
from .work import Sql

_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
_ZONE: Final = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"
_INTEGER: Final = "^[+-]?[0-9]{1,30}$"
_DECIMAL: Final = "^[+-]?[0-9]{1,100}([.][0-9]{1,100})?$"
_UUID: Final = "^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$"
_FIRST_DAY: Final = "'0001-01-01'"
_LAST_DAY: Final = "'9999-12-31'"
_BEYOND: Final = "'9999-12-31 24:00:00'"
"""The first moment after the year 9999."""


@dataclass(frozen=True, slots=True)
class Cast:
    """`using`: the value in its new type. `misfit`: whether there is none exactly; None: there always is.

    `direct`: ALTER TYPE does it without USING, so that PostgreSQL can see when nothing is to be written.
    """

    using: Sql
    misfit: Sql | None = None
    direct: bool = False


def cast(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    """The cast between two types of which `casts.castable` says that there is one; `column` is its SQL."""
    if before.is_text:
        return _to_text(before, after, column) if after.is_text else _FROM_TEXT[after.kind](after, column)
    if after.is_text:
        return _as_text(before, after, column)
    return _between(before, after, column)


def bounded(after: ColumnType, column: Sql) -> Cast:
    """The cast to a decimal from a number of any size."""
    assert after.precision is not None
    assert after.scale is not None
    misfit = (
        f"pg_catalog.abs({column}) >= {10 ** (after.precision - after.scale)}::numeric"
        f" OR {column} <> pg_catalog.round({column}, {after.scale})"
    )
    return Cast(column, Sql(misfit), direct=True)


def text_of(kind: ColumnType, column: str) -> str:
    """The value as `literals.canonical` spells it."""
    if kind.is_text:
        return column
    spell = _SPELLED.get(kind.kind)
    return f"{column}::text" if spell is None else spell(column)


def _to_text(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    if after.length is None or (before.length is not None and before.length <= after.length):
        return Cast(column, direct=True)
    return Cast(column, Sql(f"pg_catalog.char_length({column}) > {after.length}"), direct=True)


def _as_text(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    spelled = text_of(before, column)
    unspelled = _UNSPELLED.get(before.kind)
    misfits = [] if unspelled is None else [unspelled(column)]
    if after.length is not None:
        misfits.append(f"pg_catalog.char_length({spelled}) > {after.length}")
    return Cast(Sql(spelled), Sql(" OR ".join(misfits)) if misfits else None)


def _between(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    if before.kind == after.kind and before.kind != "decimal":
        return Cast(column, direct=True)
    if before.kind == "boolean":
        return Cast(Sql(f"{column}::integer::{type_name(after)}"))
    if before.is_number:
        return _number(before, after, column)
    return _times(before, after, column)


def _number(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    if after.kind == "decimal":
        return _to_decimal(before, after, column)
    if before.is_integer and after.is_integer:
        low, high = INTEGER_RANGES[after.kind]
        narrower = INTEGER_RANGES[before.kind][1] > high
        return Cast(column, Sql(f"{column} NOT BETWEEN {low} AND {high}") if narrower else None, direct=True)
    if after.is_integer:
        low, high = INTEGER_RANGES[after.kind]
        outside = f"{column} NOT BETWEEN {low}::numeric AND {high}::numeric"
        return Cast(column, Sql(f"{column} <> pg_catalog.trunc({column}) OR {outside}"), direct=True)
    return Cast(column, direct=True)


def _to_decimal(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    assert after.precision is not None
    assert after.scale is not None
    whole = after.precision - after.scale
    misfits = []
    if before.kind == "decimal":
        assert before.precision is not None
        assert before.scale is not None
        had = before.precision - before.scale
        if before.scale > after.scale:
            misfits.append(f"{column} <> pg_catalog.round({column}, {after.scale})")
    else:
        had = len(str(INTEGER_RANGES[before.kind][1]))
    if had > whole:
        misfits.append(f"pg_catalog.abs({column}::numeric) >= {10**whole}::numeric")
    return Cast(column, Sql(" OR ".join(misfits)) if misfits else None, direct=True)


def _times(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    match before.kind, after.kind:
        case "date", "timestamp":
            outside = f"pg_catalog.isfinite({column}) AND {column} NOT BETWEEN {_FIRST_DAY} AND {_LAST_DAY}"
            return Cast(column, Sql(outside), direct=True)
        case "timestamp", "date":
            return Cast(Sql(f"{column}::date"), Sql(f"{column} <> pg_catalog.date_trunc('day', {column})"))
        case _:
            # The session's time zone is UTC: so PostgreSQL knows that both are the same bytes.
            return Cast(column, direct=True)


def _from_shape(after: ColumnType, column: Sql, shape: str, unfit: str = "") -> Cast:
    """A text of this shape, unless what it says is unfit, as a cast of the text."""
    matches = f"{_plain(column)} ~ '{shape}'"
    misfit = (
        f"CASE WHEN {matches} THEN {unfit} ELSE {column} IS NOT NULL END" if unfit else f"NOT ({matches})"
    )
    return Cast(Sql(f"{column}::{type_name(after)}"), Sql(misfit))


def _plain(column: str) -> str:
    """Patterns can't be matched where a collation takes different texts for equal (manual, section 24.2)."""
    return f'{column}::text COLLATE "C"'


def _integer(after: ColumnType, column: Sql) -> Cast:
    low, high = INTEGER_RANGES[after.kind]
    return _from_shape(
        after, column, _INTEGER, f"{column}::numeric NOT BETWEEN {low}::numeric AND {high}::numeric"
    )


def _decimal(after: ColumnType, column: Sql) -> Cast:
    assert after.precision is not None
    assert after.scale is not None
    unfit = (
        f"pg_catalog.abs({column}::numeric) >= {10 ** (after.precision - after.scale)}::numeric"
        f" OR {column}::numeric <> pg_catalog.round({column}::numeric, {after.scale})"
    )
    return _from_shape(after, column, _DECIMAL, unfit)


def _boolean(after: ColumnType, column: Sql) -> Cast:
    return Cast(Sql(f"{column}::{type_name(after)}"), Sql(f"{_plain(column)} NOT IN ('true', 'false')"))


def _date(after: ColumnType, column: Sql) -> Cast:
    return _from_shape(after, column, f"^{_DATE}$", _no_day(column))


def _time(after: ColumnType, column: Sql) -> Cast:
    return _from_shape(after, column, f"^{_TIME}$", _no_time(column, 1))


def _timestamp(after: ColumnType, column: Sql) -> Cast:
    unfit = f"{_no_day(column)} OR {_no_time(column, 12)}"
    return _from_shape(after, column, f"^{_DATE}([ T]{_TIME})?$", unfit)


def _timestamptz(after: ColumnType, column: Sql) -> Cast:
    invalid = f"{_no_day(column)} OR {_no_time(column, 12)}"
    moment = f"({column}::timestamp with time zone AT TIME ZONE 'UTC')"
    outside = f"{moment} < {_FIRST_DAY} OR {moment} >= {_BEYOND}"
    unfit = f"CASE WHEN {invalid} THEN true ELSE {outside} END"
    return _from_shape(after, column, f"^{_DATE}[ T]{_TIME}{_ZONE}$", unfit)


def _uuid(after: ColumnType, column: Sql) -> Cast:
    return _from_shape(after, column, _UUID)


def _no_day(column: str) -> str:
    """Whether a text that begins with ten characters like a date's says a day that there is none."""
    year, month, day = (_digits(column, place, size) for place, size in ((1, 4), (6, 2), (9, 2)))
    leap = f"({year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0))::integer"
    days = f"CASE {month} WHEN 2 THEN 28 + {leap} ELSE 30 + ({month} + {month} / 8) % 2 END"
    return f"{year} < 1 OR {month} NOT BETWEEN 1 AND 12 OR {day} NOT BETWEEN 1 AND {days}"


def _no_time(column: str, start: int) -> str:
    """The same of the time in a text; what isn't said is zero."""
    hour, minute, second = (f"coalesce({_digits(column, start + by, 2)}, 0)" for by in (0, 3, 6))
    return f"{hour} > 23 OR {minute} > 59 OR {second} > 59"


def _digits(column: str, place: int, size: int) -> str:
    """The number at a place of a text; NULL where there are other characters or none."""
    return f"substring(pg_catalog.substr({_plain(column)}, {place}, {size}) FROM '^[0-9]+$')::integer"


_FROM_TEXT: Final[Mapping[Kind, Callable[[ColumnType, Sql], Cast]]] = {
    "boolean": _boolean,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "decimal": _decimal,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "uuid": _uuid,
}


def _clock(shown: str) -> str:
    """Without a fraction of a second where there is none."""
    return f"pg_catalog.regexp_replace({shown}, '[.]000000$', '')"


_SPELLED: Final[Mapping[Kind, Callable[[str], str]]] = {
    "date": lambda column: f"pg_catalog.to_char({column}, 'YYYY-MM-DD')",
    "time": lambda column: _clock(f"pg_catalog.to_char({column}, 'HH24:MI:SS.US')"),
    "timestamp": lambda column: _clock(f"pg_catalog.to_char({column}, 'YYYY-MM-DD HH24:MI:SS.US')"),
    "timestamptz": lambda column: (
        _clock(f"pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
        + " || '+00:00'"
    ),
}
_UNSPELLED: Final[Mapping[Kind, Callable[[str], str]]] = {
    "decimal": lambda column: f"{column} = 'NaN'",
    "date": lambda column: f"{column} NOT BETWEEN {_FIRST_DAY} AND {_LAST_DAY}",
    "time": lambda column: f"{column} = '24:00:00'",
    "timestamp": lambda column: f"{column} < {_FIRST_DAY} OR {column} >= {_BEYOND}",
    "timestamptz": lambda column: (
        f"{column} AT TIME ZONE 'UTC' < {_FIRST_DAY} OR {column} AT TIME ZONE 'UTC' >= {_BEYOND}"
    ),
}
"""Values that a text of ours has no spelling for: PostgreSQL's own ones, and years beyond 1 to 9999."""

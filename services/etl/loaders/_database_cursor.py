"""How far an incremental source was read: the interval of a run, and what is kept for the next one.

A run reads what is above the last value less the lag, up to the highest value that there was when it began:
the interval is closed at both ends, whatever is written meanwhile. What is kept is the value as the database
spells it, with its column, in the transaction that also holds the rows.
"""

from dataclasses import dataclass

import orjson

from services.etl.columns import Column
from services.etl.loaders._database_loader import Relation
from services.etl.loaders._database_session import Session
from services.etl.loaders._database_sql import FoundColumn
from services.etl.pipeline.errors import SourceChanged


@dataclass(frozen=True, slots=True)
class Interval:
    """The conditions of a run's interval, and the cursor after it; None where nothing was above the last."""

    conditions: list[str]
    cursor: str | None


def interval(
    session: Session, relation: Relation, column: Column, found: FoundColumn, *, last: str | None, lag: int
) -> Interval:
    """The interval after `last`, a cursor that was kept. Raises SourceChanged for one of another column.

    It is closed above also where later snapshots are read.
    """
    sql, name = session.sql, session.sql.quote(found.name)
    before = _value(last, column)
    low = None if before is None else sql.literal(before, column.type)
    finite = sql.finite(name, column.type)
    above = "" if low is None else f"{name} > {low}"
    bounds = [one for one in (above, finite, session.sql.usable(name, column.type)) if one]
    highest = session.value(
        sql.select([sql.as_text(f"max({name})")], relation, bounds or [f"{name} IS NOT NULL"], limit=None)
    )
    upper = highest if highest is not None else before
    if upper is None:  # nothing has a value
        return Interval([], None)
    inside = sql.up_to(name, upper, column.type)
    if low is not None:
        start = sql.earlier(low, lag, column.type) if lag else low
        inside = " AND ".join(part for part in (f"{name} > {start}", inside) if part)
    odd = [f"{name} IS NULL"] if found.nullable else []
    odd += [f"NOT ({finite})"] if finite else []
    whole = " OR ".join([f"({inside})", *odd]) if inside else ""
    return Interval([whole] if whole else [], None if highest is None else _kept(column, highest))


def _kept(column: Column, value: str) -> str:
    return orjson.dumps({"column": column.name, "value": value}).decode()


def _value(kept: str | None, column: Column) -> str | None:
    if kept is None:
        return None
    try:
        read = orjson.loads(kept)
        name, value = read["column"], read["value"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise SourceChanged(reason="the cursor that was kept is not one of this loader: restart") from None
    if name != column.name or not isinstance(value, str):
        raise SourceChanged(
            reason=f"the cursor that was kept is of column {name!r} and not {column.name!r}: restart"
        )
    return value

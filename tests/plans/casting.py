"""What a value becomes when its column's type changes: an oracle beside the SQL that does it."""

import datetime as dt
from decimal import Decimal
from typing import Any

from services.etl.columns import ColumnType

from .values import Unfit, number, read, spelled, whole


def cast(before: ColumnType, after: ColumnType, value: Any) -> Any:
    """The same value in the other type; NULL stays NULL. Raises Unfit where it would lose something.

    Only for types that can be cast at all.
    """
    if value is None:
        return None
    if after.is_text:
        return read(after, value if before.is_text else spelled(before, value))
    if before.is_text:
        return read(after, value)
    if after.is_number:
        return _numeric(after, value)
    return value if before.kind == after.kind else _temporal(after, value)


def _numeric(after: ColumnType, value: Any) -> int | float | Decimal:
    if isinstance(value, float) or after.kind == "float64":
        return float(value)
    if after.kind == "decimal":
        return number(after, Decimal(value))
    if value != int(value):
        raise Unfit(value)
    return whole(after, int(value))


def _temporal(after: ColumnType, value: Any) -> Any:
    if after.kind == "date":
        if value.time() != dt.time():
            raise Unfit(value)
        return value.date()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC if after.kind == "timestamptz" else None)
    return dt.datetime.combine(value, dt.time())

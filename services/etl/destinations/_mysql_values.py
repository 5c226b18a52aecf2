"""Arrow columns as literals of MySQL, which values it keeps as they are, and in which columns.

The literals are those of a session in utf8mb4 with sql_mode NO_BACKSLASH_ESCAPES: only the quote is special.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Column, ColumnType, Kind
from services.etl.destinations._mysql_sql import Found
from services.etl.destinations._mysql_text import hexadecimal, plain
from services.etl.pipeline import column_bytes
from services.etl.pipeline.casting import BadCell, Cast, blank, decimal_text, display, rows_where
from services.etl.pipeline.errors import TargetRefused

_INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"})
_TEXTS: Final = frozenset({"varchar", "tinytext", "text", "mediumtext", "longtext"})
_KEEPS: Final[Mapping[Kind, frozenset[str]]] = {
    "boolean": _INTEGERS,
    "int16": _INTEGERS,
    "int32": _INTEGERS,
    "int64": _INTEGERS,
    "decimal": frozenset({"decimal"}),
    "float32": frozenset({"float", "double"}),
    "float64": frozenset({"double"}),
    "text": _TEXTS,
    "varchar": _TEXTS,
    "uuid": _TEXTS | {"char", "uuid"},
    "json": _TEXTS | {"json"},
    "date": frozenset({"date"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"datetime"}),
    "timestamptz": frozenset({"datetime", "timestamp"}),
    "bytes": frozenset({"varbinary", "tinyblob", "blob", "mediumblob", "longblob"}),
}
"""Types that keep a value or refuse it. A CHAR would drop blanks at the end, a BINARY add zeros."""

_TIMES: Final[frozenset[Kind]] = frozenset({"time", "timestamp", "timestamptz"})
_MICROSECONDS: Final = 6
_DAY_US: Final = 86_400_000_000
_YEAR_1000: Final = -354_285
_YEAR_10000: Final = 2_932_897
"""Days from 1970. The server promises to keep 1000-01-01 to 9999-12-31 (MySQL manual, section 11.2.2)."""

_JSON_DEPTH: Final = 31
"""MariaDB's bound is one level more, with the value inside; MySQL takes a hundred."""
_JSON_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def keeps(column: Found, kind: ColumnType) -> bool:
    """Whether a column keeps every value of the kind as it is, or refuses it."""
    if column.data_type not in _KEEPS[kind.kind]:
        return False
    if kind.kind == "decimal":
        return (column.scale or 0) >= (kind.scale or 0)
    return kind.kind not in _TIMES or column.time_precision == _MICROSECONDS


def limited(cast: Cast, column: Column) -> Cast:
    """Make those cells bad that the server would not keep as they are."""
    kind = column.type.kind
    if kind in {"date", "timestamp", "timestamptz"}:
        code, reason = "out_of_range", "is not in the years 1000 to 9999, which the target keeps"
        over = _out_of_calendar(cast.array)
    elif kind in {"float32", "float64"}:
        code, reason = "negative_zero", "is a negative zero, of which the target keeps no sign"
        over = _negative_zeros(cast.array)
    elif kind == "json":
        code, reason = "too_deep", f"has more than {_JSON_DEPTH} levels, which the target does not take"
        over = _too_deep(cast.array)
    else:
        return cast
    if not over:
        return cast
    bad = [BadCell(row, display(cast.array[row]), code, reason) for row in over]
    return Cast(blank(cast.array, over), sorted([*cast.bad, *bad], key=lambda cell: cell.row))


def _out_of_calendar(array: Any) -> list[int]:
    unit = 1
    if pa.types.is_timestamp(array.type):
        array, unit = pc.cast(array, pa.int64()), _DAY_US
    else:
        array = pc.cast(array, pa.int32())
    return rows_where(pc.or_(pc.less(array, _YEAR_1000 * unit), pc.greater_equal(array, _YEAR_10000 * unit)))


def _negative_zeros(array: Any) -> list[int]:
    zeros = pc.equal(array, 0.0)
    if not pc.any(zeros).as_py():
        return []
    return rows_where(pc.and_(zeros, pc.less(pc.divide(1.0, array), 0.0)))


def _too_deep(array: Any) -> list[int]:
    opened = pc.add(pc.count_substring(array, "["), pc.count_substring(array, "{"))
    doubtful = rows_where(pc.greater(opened, _JSON_DEPTH))
    return [row for row in doubtful if _depth(array[row].as_py()) > _JSON_DEPTH]


def _depth(json: str) -> int:
    steps = (_JSON_STEPS.get(sign, 0) for sign in _JSON_STRING.sub("", json))
    return max(accumulate(steps), default=0)


def statements(
    batch: Any, *, before: str, after: str, at_most: int, server_limit: int
) -> Iterator[tuple[int, bytes]]:
    """The rows as statements of about `at_most` bytes, each with the number of its rows.

    Raises TargetRefused for a row that is longer than the `server_limit`.
    """
    begin, end = before.encode(), after.encode()
    cells = [literals(column) for column in batch.columns]
    rows = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="NULL")
    rows = pc.binary_join_element_wise("(", rows, "),", "")
    data, places, first = column_bytes.content(rows), column_bytes.places(rows), 0
    while first < len(rows):
        last = int(np.searchsorted(places, places[first] + at_most, "right")) - 1
        last = min(max(last, first + 1), len(rows))
        size = int(places[last] - places[first]) + len(begin) + len(end)
        if size > server_limit:
            known = f"the server's max_allowed_packet of {server_limit}"
            raise TargetRefused(reason=f"a row takes {size} bytes, more than {known}")
        yield last - first, b"".join((begin, data[places[first] : places[last] - 1], end))
        first = last


def literals(array: Any) -> Any:
    """A column as SQL: digits as they are, everything else in quotes; NULL stays NULL."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(array, pa.int8()), pa.string())
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_integer(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_floating(kind):
        return _doubles(array)
    if pa.types.is_binary(kind):
        return pc.binary_join_element_wise("X'", hexadecimal(array), "'", "")
    return _quoted(array if pa.types.is_string(kind) else pc.cast(plain(array), pa.string()))


def _doubles(array: Any) -> Any:
    """With an exponent: a literal without one is a decimal, which has a bound of digits.

    A single one is spelled with all digits of its value: its column is a DOUBLE.
    """
    text = pc.cast(plain(array), pa.string())
    return pc.if_else(pc.match_substring(text, "e"), text, pc.binary_join_element_wise(text, "e0", ""))


def _quoted(array: Any) -> Any:
    if column_bytes.holds_any(array, b"'"):
        array = pc.replace_substring(array, "'", "''")
    return pc.binary_join_element_wise("'", array, "'", "")


def found_columns(rows: Sequence[Sequence[Any]]) -> dict[str, Found]:
    """The columns of a table by name, from the rows of the catalog."""
    columns = [Found(row[0], row[1], row[2], row[3] == "YES", *row[4:]) for row in rows]
    return {column.name: column for column in columns}

"""What can be made of the values of a group: its type, its SQL, and the last touch in Arrow. Plain Python."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final, Literal

from services.etl.columns import MAX_PRECISION, TEXT, Column, ColumnDuplicate, Columns, ColumnType
from services.etl.handlers._faults import require_one
from services.etl.pipeline import duck_sql
from services.etl.pipeline.context import Context
from services.etl.pipeline.duck_errors import ResultTooLarge
from shared.errors import Loc

Function = Literal[
    "count",
    "count_distinct",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "string_agg",
    "bool_and",
    "bool_or",
]
COUNTS: Final = frozenset({"count", "count_distinct"})
MORE_DIGITS: Final = 6
"""Digits that a mean has behind the point beyond those of its values."""

COUNT: Final = ColumnType("int64")
_FLOAT64: Final = ColumnType("float64")
_FITS: Final[Mapping[Function, tuple[Callable[[ColumnType], bool], str]]] = {
    "sum": (lambda kind: kind.is_number, "a number"),
    "avg": (lambda kind: kind.is_number, "a number"),
    "min": (lambda kind: kind.is_ordered, "a type with an order"),
    "max": (lambda kind: kind.is_ordered, "a type with an order"),
    "string_agg": (lambda kind: kind.is_text, "text"),
    "bool_and": (lambda kind: kind.kind == "boolean", "boolean"),
    "bool_or": (lambda kind: kind.kind == "boolean", "boolean"),
}
_SQL: Final[Mapping[Function, str]] = {
    "count": "count({0})",
    "count_distinct": "count(DISTINCT {0})",
    "min": "min({0})",
    "max": "max({0})",
    "first": "arg_min({0}, seq)",
    "last": "arg_max({0}, seq)",
    "bool_and": "bool_and({0})",
    "bool_or": "bool_or({0})",
}


def checked(function: Function, columns: Columns, name: str, *, loc: Loc) -> Column:
    """The column that a function works on. Raises ColumnUnknown or TypeMismatch at `loc`."""
    fits, wanted = _FITS.get(function, (lambda _: True, "any type"))
    return require_one(columns, name, fits, wanted=wanted, loc=loc)


def result_type(function: Function, kind: ColumnType) -> ColumnType:
    """The type of what a function gives.

    Whole numbers below 64 bits add up to int64, int64 to decimal(38,0), decimals to 38 digits with the scale
    that they have; a mean of those has six digits more behind the point.
    """
    if function in COUNTS:
        return COUNT
    if function == "string_agg":
        return TEXT
    if function not in {"sum", "avg"}:
        return kind
    if kind.kind in {"float32", "float64"}:
        return _FLOAT64
    scale = kind.scale or 0
    if function == "avg":
        return _decimal(min(scale + MORE_DIGITS, MAX_PRECISION))
    return COUNT if kind.kind in {"int16", "int32"} else _decimal(scale)


def with_new(columns: Columns, column: Column, *, loc: Loc) -> Columns:
    """The columns and a further one. Raises ColumnDuplicate at `loc`."""
    if column.name in columns:
        raise ColumnDuplicate(loc=loc, name=column.name)
    return columns.with_column(column)


def _decimal(scale: int) -> ColumnType:
    return ColumnType("decimal", precision=MAX_PRECISION, scale=scale)


def sql(function: Function, value: str, kind: ColumnType, *, separator: str = "") -> str:
    """The SQL of a function of `value`, an expression of type `kind`, over the rows of a group."""
    if function == "string_agg":
        return f"string_agg({value}, {duck_sql.quoted(separator)} ORDER BY seq)"
    if function not in {"sum", "avg"}:
        return _SQL[function].format(value)
    if result_type(function, kind) == _FLOAT64:
        return f"{function}(CAST({value} AS DOUBLE))"
    total = f"CAST(sum({value}) AS {duck_sql.sql_type(result_type('sum', kind))})"
    return f"struct_pack(total := {total}, rows := count({value}))" if function == "avg" else total


def query(keys: Sequence[str], values: Sequence[str], *, source: str = "given") -> str:
    """The SQL that makes one row of each group: its marks, its keys, its values, in the order of first rows.

    `source` gives the columns and the marks of `pipeline.duck`. Without rows there is no group.
    """
    marks = "min(seq), min(record), arg_min(line, record)"
    made = ", ".join(f"{value} AS v{at}" for at, value in enumerate([*keys, *values]))
    grouped = f"GROUP BY {', '.join(keys)}" if keys else "HAVING count(*) > 0"
    return f"SELECT {marks}, {made} FROM {source} {grouped} ORDER BY 1"  # noqa: S608  names of our own making


def finished_batch(batch: Any, context: Context, *, keys: int) -> Any:
    """A batch of a query's result, its values being what `context.columns_out` says."""
    import pyarrow as pa

    arrays = list(batch.columns)
    values = list(context.columns_out)[keys:]
    for at, column in enumerate(values, start=3 + keys):
        arrays[at] = _finished(arrays[at], column.type, step=context.step)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _finished(array: Any, wanted: ColumnType, *, step: str) -> Any:
    """What the SQL gave, as an Arrow array of the result's type. Raises ResultTooLarge."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from services.etl.pipeline.arrow_types import arrow_type

    if pa.types.is_floating(array.type) and not pc.all(pc.is_finite(array)).as_py():
        raise ResultTooLarge(step=step)
    if not pa.types.is_struct(array.type):
        return array
    means = [_mean(row["total"], row["rows"], wanted.scale or 0) for row in array.to_pylist()]
    try:
        return pa.array(means, arrow_type(wanted))
    except pa.ArrowInvalid as error:
        raise ResultTooLarge(step=step) from error


def _mean(total: Decimal | int | None, rows: int, scale: int) -> Decimal | None:
    """Rounded once, half away from zero, as SQL rounds its NUMERIC."""
    if total is None:
        return None
    with localcontext(prec=3 * MAX_PRECISION, rounding=ROUND_HALF_UP):
        unit = Decimal(1).scaleb(-scale)
        whole, rest = divmod(abs(Decimal(total)).scaleb(scale), rows)
        rounded = (whole + (1 if 2 * rest >= rows else 0)) * unit
        return -rounded if total < 0 else rounded

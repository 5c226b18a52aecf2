"""What an expression gives for whole columns is what it gives row by row, by an evaluation of its own."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.expression import checked
from services.etl.pipeline.expression_running import Rows, evaluate, settled
from services.etl.pipeline.expression_tree import ExpressionInvalid
from tests.property.etl_data.expressions import Fails, Made, Row, conditions, days, numbers, texts

COLUMNS = Columns(
    Column(name=name, type=ColumnType.parse(kind))
    for name, kind in {
        "a": "int64", "b": "int16", "p": "decimal(6,2)", "q": "decimal(5,3)", "t": "text", "s": "varchar(9)",
        "o": "boolean", "d": "date", "e": "date",
    }.items()
)  # fmt: skip
FIVES: Final = st.integers(-99, 99).map(lambda n: Decimal(10 * n + 5).scaleb(-2))
"""What rounding must decide on."""
ROW: Final = st.fixed_dictionaries(
    {
        "a": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
        "b": st.none() | st.integers(-(2**15), 2**15 - 1) | st.integers(-3, 3),
        "p": st.none() | st.integers(-999_999, 999_999).map(lambda n: Decimal(n).scaleb(-2)) | FIVES,
        "q": st.none() | st.integers(-99_999, 99_999).map(lambda n: Decimal(n).scaleb(-3)),
        "t": st.none() | st.text("abB é'🙂", max_size=6),
        "s": st.none() | st.text("ab ", max_size=9),
        "o": st.none() | st.booleans(),
        "d": st.none() | st.dates(),
        "e": st.none() | st.dates(date(1969, 11, 1), date(2026, 3, 1)),
    }
)


def by_row(made: Made, row: Row) -> tuple[list[str], Any]:
    """The code with which it fails, if it does, and the value."""
    try:
        return [], made.of(row)
    except Fails as failure:
        return [str(failure)], None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(numbers(3), min_size=3, max_size=3),
    st.tuples(texts(3), days(3), conditions(3), conditions(3)),
    st.lists(ROW, min_size=6, max_size=12),
)
def test_whole_columns_give_what_rows_give(
    some: list[Made], others: tuple[Made, ...], rows: list[Row]
) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=arrow_schema(COLUMNS))
    arrays = {name: batch.column(name) for name in COLUMNS.names}
    for made in (*some, *others):
        try:
            node = checked(made.text, COLUMNS)
        except ExpressionInvalid as error:
            if "behind the point" in str(error):  # a product may have more digits of scale than there are
                continue
            raise
        value = evaluate(node, Rows(arrays, np.arange(len(rows)), datetime.now(UTC)))
        array = settled(value)
        for at, row in enumerate(rows):
            codes = [problem.code for problem in value.problems if problem.rows[at]]
            assert (codes[:1], array[at].as_py()) == by_row(made, row), (made.text, row)

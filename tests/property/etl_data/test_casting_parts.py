"""Parts of casts that only large or odd columns reach."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.pipeline.casting import decimal_text, without


@given(rows=st.integers(0, 300), data=st.data())
def test_rows_are_left_out_alike_whether_they_are_few_or_many(rows: int, data: st.DataObject) -> None:
    left_out = data.draw(st.sets(st.integers(0, rows - 1), max_size=8) if rows else st.just(set[int]()))
    batch = pa.RecordBatch.from_pydict(
        {"number": list(range(rows)), "text": [None if row % 3 else f"{row}" for row in range(rows)]}
    )
    expected = [row for row in batch.to_pylist() if row["number"] not in left_out]

    found, kept = without(batch, left_out)

    assert found.to_pylist() == expected
    assert kept.nonzero()[0].tolist() == [row["number"] for row in expected]
    assert found.schema == batch.schema


@pytest.mark.parametrize("scale", range(20))
def test_decimals_of_every_scale_are_spelled_with_all_their_digits(scale: int) -> None:
    values = [Decimal(units).scaleb(-scale) for units in (0, 1, -1, 10**scale, 123)]
    array = pa.array(values, pa.decimal128(38, scale))

    assert decimal_text(array).to_pylist() == [format(value, "f") for value in values]

"""Texts of decimals, of any length and with any exponent: each is its exact value, or bad."""

from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import fits, from_text

EXACT = Context(prec=10_000)
FORM = TextForm()

digits = st.text("0123456789", min_size=1, max_size=90) | st.builds(
    lambda digit, times: digit * times, st.sampled_from("019"), st.integers(1, 300)
)
exponents = st.just("") | st.builds("e{}".format, st.integers(-60, 60))
texts = st.builds(
    lambda sign, whole, part, exponent: f"{sign}{whole}{part and '.' + part}{exponent}",
    st.sampled_from(["", "-", "+"]),
    digits | st.integers(2**126, 2**130).map(str),
    st.just("") | digits,
    exponents,
)
types = st.integers(1, 38).flatmap(
    lambda precision: st.builds(
        ColumnType, st.just("decimal"), precision=st.just(precision), scale=st.integers(0, precision)
    )
)


def exactly(text: str, kind: ColumnType) -> Decimal | None:
    """The value, if the type holds it."""
    value = EXACT.create_decimal(text)
    scaled = value.scaleb(kind.scale or 0, EXACT)
    whole = scaled.to_integral_value(context=EXACT)
    return value if whole == scaled and abs(whole) < 10 ** (kind.precision or 0) else None


@settings(max_examples=400, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), types)
@example([str(2**128), "1"], ColumnType("decimal", precision=38, scale=0))
@example(["1e-44", "1"], ColumnType("decimal", precision=38, scale=5))
@example(["9" * 5000], ColumnType("decimal", precision=38, scale=5))
def test_a_text_is_its_exact_value_or_bad(values: list[str], kind: ColumnType) -> None:
    cast = from_text(pa.array(values), kind, FORM)
    wanted = [exactly(text, kind) for text in values]
    assert cast.array.to_pylist() == wanted
    assert [cell.row for cell in cast.bad] == [row for row, value in enumerate(wanted) if value is None]
    assert fits(pa.array(values), kind, FORM) == (None not in wanted)


@pytest.mark.parametrize(
    "text", ["1e-999999999", "1e999999999", "-1e-99999999999999999999", "1e", "e1", ".e1"]
)
def test_an_exponent_of_any_size_costs_its_value_alone(text: str) -> None:
    kind = ColumnType("decimal", precision=20, scale=4)
    cast = from_text(pa.array(["1.5", text, None, "2e3"]), kind, FORM)
    assert cast.array.to_pylist() == [Decimal("1.5"), None, None, Decimal(2000)]
    assert [cell.row for cell in cast.bad] == [1]

"""A look at the bytes names no cell that parsing would have taken, and whatever is bad is still found."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.pipeline import strays
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import from_text

_FORM = TextForm()
_KINDS = ("int16", "int64", "decimal(12,3)", "float64", "date", "timestamp", "timestamptz")
_GOOD = {
    "int16": "-12",
    "int64": "9007199254740993",
    "decimal(12,3)": "1.250",
    "float64": "1e3",
    "date": "2024-02-29",
    "timestamp": "2024-02-29T01:02:03",
    "timestamptz": "2024-02-29T01:02:03+02:00",
}
_SPELLED = st.one_of(
    st.text(alphabet="0123456789-+.eE:TZx ,", max_size=12),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(Z|\+02:00)?)?\Z"),
    st.text(max_size=4),
    st.none(),
)


@pytest.mark.parametrize("kind", _KINDS)
@given(cells=st.lists(_SPELLED, max_size=40), cut=st.integers(0, 5))
def test_what_is_named_at_a_look_is_bad_by_itself(kind: str, cells: list[str | None], cut: int) -> None:
    target = ColumnType.parse(kind)
    array = pa.array(cells, pa.string()).slice(min(cut, len(cells)))

    named = strays.found(array, target)

    alone = [from_text(array.slice(row, 1), target, _FORM) for row in named]
    assert all(cast.bad for cast in alone)


@pytest.mark.parametrize("kind", _KINDS)
@given(cells=st.lists(_SPELLED, max_size=12), good=st.integers(0, 1200))
def test_cells_among_many_others_are_told_as_if_they_stood_alone(
    kind: str, cells: list[str | None], good: int
) -> None:
    target = ColumnType.parse(kind)
    alone = [from_text(pa.array([cell], pa.string()), target, _FORM) for cell in cells]
    array = pa.array([_GOOD[kind]] * good + cells + [_GOOD[kind]] * (good // 2), pa.string())

    cast = from_text(array, target, _FORM)

    expected = [(good + row, cell.value, cell.code) for row, found in enumerate(alone) for cell in found.bad]
    assert [(cell.row, cell.value, cell.code) for cell in cast.bad] == expected
    assert cast.array.slice(good, len(cells)).to_pylist() == [found.array[0].as_py() for found in alone]

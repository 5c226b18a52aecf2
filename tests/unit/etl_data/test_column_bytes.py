"""The bytes of columns, whatever part of a buffer they are and whatever is NULL in them."""

import pyarrow as pa
import pytest

from services.etl.pipeline import column_bytes

COLUMN = pa.array(["a\\", None, "", "\u00fc\n", "c"], pa.string())


@pytest.mark.parametrize(
    ("array", "content", "places"),
    [
        (COLUMN, "a\\\u00fc\nc", [0, 2, 2, 2, 5, 6]),
        (COLUMN[1:4], "\u00fc\n", [0, 0, 0, 3]),
        (COLUMN[2:2], "", [0]),
        (pa.array([], pa.string()), "", [0]),
        (pa.array([None, None], pa.string()), "", [0, 0, 0]),
        (pa.array([b"ab", None, b"c"], pa.binary()), "abc", [0, 2, 2, 3]),
    ],
)
def test_the_bytes_are_those_of_the_values(array: pa.Array, content: str, places: list[int]) -> None:
    assert column_bytes.content(array).tobytes() == content.encode()
    assert column_bytes.places(array).tolist() == places


def test_the_bytes_of_chunks_follow_each_other() -> None:
    chunked = pa.chunked_array([COLUMN, COLUMN[3:]])
    assert column_bytes.content(chunked).tobytes() == "a\\\u00fc\nc\u00fc\nc".encode()


def test_bytes_beyond_a_slice_are_not_in_it() -> None:
    assert column_bytes.holds_any(COLUMN, b"x\n")
    assert not column_bytes.holds_any(COLUMN[:3], b"x\n")
    assert not column_bytes.holds_any(COLUMN[2:2], b"\\")


def test_signs_are_replaced_once_each() -> None:
    escaped = column_bytes.replaced(COLUMN, (("\\", "\\\\"), ("\n", "\\n"), ("x", "y")))
    assert escaped.to_pylist() == ["a\\\\", None, "", "\u00fc\\n", "c"]
    assert column_bytes.replaced(COLUMN[4:], (("\\", "\\\\"),)).to_pylist() == ["c"]

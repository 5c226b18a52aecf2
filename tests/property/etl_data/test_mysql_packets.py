"""Rows of MySQL's protocol come out of its packets as they went in, however the bytes are cut."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.etl.loaders._mysql_rows import RowTooLong, Walk, columns, error_number, is_error

CELLS = st.none() | st.binary(max_size=40) | st.sampled_from([b"x" * 250, b"y" * 251, b"z" * 70_000, b""])
TABLES = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.lists(CELLS, min_size=count, max_size=count), min_size=1, max_size=12)
)
END = b"\xfe\x00\x00\x02\x00"


def packet(content: bytes, number: int = 1) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number % 256]) + content


def cell(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    return b"\xfd" + size.to_bytes(3, "little") + value


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@settings(deadline=None)
@given(TABLES, st.lists(st.integers(0, 80_000), max_size=6))
@example([[b"\xfe" * 4]], [1, 1, 1, 1, 1])
def test_rows_come_out_as_they_went_in(table: list[list[bytes | None]], sizes: list[int]) -> None:
    data = b"".join(packet(b"".join(map(cell, row)), at) for at, row in enumerate(table))
    walk, found = Walk(), []
    for piece in pieces(data + packet(END), sizes):
        walk.feed(piece)
        if walk.size:
            arrays = columns(*walk.take(), len(table[0]))
            found += [list(row) for row in zip(*(array.to_pylist() for array in arrays), strict=True)]
    assert found == table
    assert walk.ending is not None
    assert not is_error(walk.ending)


def test_an_error_ends_the_rows() -> None:
    walk = Walk()
    walk.feed(packet(cell(b"a")) + packet(b"\xff\x86\x04#42000no"))
    assert walk.ending is not None
    assert is_error(walk.ending)
    assert error_number(walk.ending) == 1158
    assert [array.to_pylist() for array in columns(*walk.take(), 1)] == [[b"a"]]


def test_a_row_that_goes_on_in_another_packet_is_refused() -> None:
    with pytest.raises(RowTooLong):
        Walk().feed(b"\xff\xff\xff\x00" + b"\xfd")

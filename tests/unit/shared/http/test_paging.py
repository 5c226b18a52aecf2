"""Cursors: opaque, and nothing but what we made ourselves."""

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidCursor
from shared.http.paging import Position, decode_cursor, encode_cursor

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
PARTS: st.SearchStrategy[Position] = st.one_of(
    TEXT, st.integers(-(2**63) + 1, 2**63 - 1), st.uuids(), st.datetimes(timezones=st.just(UTC))
)


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_a_cursor_gives_back_its_position(position: list[Position]) -> None:
    assert decode_cursor(encode_cursor(*position), *map(type, position)) == tuple(position)


@given(cursor=st.text(max_size=200), kinds=st.lists(st.sampled_from([str, int, UUID, datetime]), max_size=3))
def test_no_text_breaks_the_reader(cursor: str, kinds: list[type[Position]]) -> None:
    with contextlib.suppress(InvalidCursor):
        assert len(decode_cursor(cursor, *kinds)) == len(kinds)


@pytest.mark.parametrize(
    ("position", "kind"),
    [
        ("x", UUID),
        (5, str),
        ("x", int),
        ("x", datetime),
        (2**63, int),
        ("a\0", str),
        ("2026-01-01T00:00:00", datetime),
    ],
)
def test_a_position_of_another_list_is_refused(position: Position, kind: type[Position]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(position), kind)
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(position, position), kind)


@pytest.mark.parametrize(
    "raw", ["W3RydWVd", "WyJcdWQ4MDAiXQ", "e30", "MQ", "W" * 5000, "[" * 500, "Å", "W1s=", " W10", "bnVsbA"]
)
def test_what_we_did_not_make_is_refused(raw: str) -> None:
    for kind in (int, str):
        with pytest.raises(InvalidCursor):
            decode_cursor(raw, kind)

"""Hiding values, on small frames."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.handlers.mask_values import MaskValues
from tests.unit.etl_data.handling import columns, faults, worked


def masked(values: list[Any], *, of: str = "text", **params: Any) -> list[Any]:
    handler = MaskValues.of({"columns": ["a"], **params})
    return [row["a"] for row in worked(handler, columns(a=of), [{"a": value} for value in values])[0]]


@pytest.mark.parametrize(
    ("params", "after"),
    [
        ({}, ["******", "**", "", None]),
        ({"last": 2}, ["****語f", "**", "", None]),
        ({"first": 1, "last": 1, "sign": "#"}, ["a####f", "##", "", None]),
        ({"first": 3, "last": 3}, ["******", "**", "", None]),
        ({"first": 5}, ["abcd語*", "**", "", None]),
    ],
)
def test_the_ends_of_a_text_may_stay(params: Any, after: Any) -> None:
    assert masked(["abcd語f", "xy", "", None], **params) == after


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 4), st.integers(0, 4))
def test_a_text_never_shows_more_than_its_ends_and_keeps_its_length(text: str, first: int, last: int) -> None:
    (after,) = masked([text], first=first, last=last, sign="▒")
    ends = range(len(text))[first : max(len(text) - last, first)]
    hidden = set(ends) if len(text) > first + last else set(range(len(text)))
    assert after == "".join("▒" if at in hidden else sign for at, sign in enumerate(text))


def test_numbers_are_masked_as_text() -> None:
    assert masked([Decimal("1234.5")], of="decimal(8,2)", last=2) == ["*****50"]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("jane.doe@example.org", "j***@example.org"),
        ("j@example.org", "j***@example.org"),
        ("é@example.org", "é***@example.org"),
        ("no address", "***"),
        ("a@b@c", "***"),
        ("@example.org", "***"),
        ("jane@example.org, secret", "***"),
        ("", "***"),
        (None, None),
    ],
)
def test_addresses_keep_their_domain(text: str | None, after: str | None) -> None:
    assert masked([text], method="email") == [after]


def test_a_backslash_may_be_the_sign() -> None:
    assert masked(["jane@example.org"], method="email", sign="\\") == [r"j\\\@example.org"]


@pytest.mark.parametrize(
    ("kind", "value", "content"),
    [("text", "日本", "日本".encode()), ("int64", -7, b"-7"), ("bytes", b"\x00\xff", b"\x00\xff")],
)
def test_a_hash_is_that_of_the_salt_and_the_text(kind: str, value: Any, content: bytes) -> None:
    wanted = hashlib.sha256(b"salt" + content).hexdigest()
    assert masked([value, None], of=kind, method="hash", salt="salt") == [wanted, None]


def test_a_constant_or_nothing_may_stand_for_all_values() -> None:
    assert masked([1, None], of="int16", method="constant", value=0) == [0, None]
    assert masked([1, None], of="int16", method="null") == [None, None]


@pytest.mark.parametrize(
    ("params", "places"),
    [
        ({"columns": ["z", "raw"]}, [("columns", 0), ("columns", 1)]),
        ({"columns": ["n"], "method": "email"}, [("columns", 0)]),
        ({"method": "constant"}, [("value",)]),
        ({"method": "constant", "value": 1}, [("value",)]),
        ({"columns": ["j"], "method": "constant", "value": "x"}, [("value",)]),
    ],
)
def test_what_can_not_be_masked_is_named(params: Any, places: Any) -> None:
    given_columns = columns(a="text", n="int64", raw="bytes", j="json")
    assert faults(MaskValues, {"columns": ["a"], **params}, given_columns) == places

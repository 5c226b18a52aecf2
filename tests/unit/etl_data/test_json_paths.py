"""JSON without loss, and paths into it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.pipeline.json_paths import (
    MISSING,
    JsonPathInvalid,
    dumps,
    found,
    loads,
    parse_path,
    spelled,
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("[3][0]", (3, 0)),
        ("$", ()),
        ("$.a", ("a",)),
        ("$[1]", (1,)),
        ('"a.b"."c\\"d".é f', ("a.b", 'c"d', "é f")),
    ],
)
def test_a_path_is_names_and_positions(text: str, path: Any) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".a", "a..b", "a.", "a[", "a[-1]", "a[x]", '"a', "a]", "$a", '"\\q"'])
def test_what_is_no_path_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(JsonPathInvalid) as raised:
        parse_path(text, loc=("path",))
    assert raised.value.all_faults()[0].loc == ("path",)


def test_nothing_there_is_not_null() -> None:
    tree = loads('{"a": null, "b": [1]}')
    assert found(("a",), tree) is None
    assert [found(path, tree) for path in (("c",), ("b", 1), ("b", "x"), ("a", "x"))] == [MISSING] * 4


@pytest.mark.parametrize(
    "text",
    ["1.10", "12345678901234567890.12345678901234567890", "1E400", "-0.0", '["1.0",1.0,1e2]', "9" * 5000],
)
def test_numbers_keep_their_spelling(text: str) -> None:
    assert dumps(loads(text)) == text


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "{", "", '"\\ud800"', '"\\u0000"', '{"\\u0000":1}', "[" * 100_000]
)
def test_what_no_database_takes_as_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_an_escaped_backslash_before_u0000_is_no_nul_character() -> None:
    assert loads('"\\\\u0000"') == "\\u0000"


def test_cells_are_spelled_without_quotes() -> None:
    cells = [spelled(value) for value in loads('["x", 1.50, true, null, {"a": [1]}]')]
    assert cells == ["x", "1.50", "true", None, '{"a":[1]}']


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(max_size=3), children),
    max_leaves=10,
)


@given(trees)
def test_what_is_written_again_means_the_same(tree: Any) -> None:
    text = json.dumps(tree)
    if "\\u0000" not in text:
        assert json.loads(dumps(loads(text))) == tree

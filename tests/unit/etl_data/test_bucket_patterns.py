"""Which keys of a bucket a pattern names."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.loaders import _bucket_patterns as patterns

FITS = [
    (
        "orders/*.csv",
        ["orders/1.csv", "orders/.csv"],
        ["orders/a/1.csv", "orders/1.csv.gz", "x/orders/1.csv"],
    ),
    ("orders/**", ["orders/1.csv", "orders/a/b/1.csv"], ["order/1.csv"]),
    ("**/part-?.csv", ["part-1.csv", "a/part-2.csv", "a/b/part-3.csv"], ["a/part-12.csv", "apart-1.csv"]),
    ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "a/bz"]),
    ("dt=2026-1[0-2]/*", ["dt=2026-10/x", "dt=2026-12/y"], ["dt=2026-13/x", "dt=2026-09/x"]),
    ("[!a]?", ["bb", "cc"], ["aa", "b/", "/b"]),
    ("a[[]1].csv", ["a[1].csv"], ["a1.csv"]),
    ("x[]y]", ["x]", "xy"], ["xz"]),
    ("a[b", ["a[b"], ["ab"]),
    ("[z-a]", [], ["z", "a", "-"]),
    ("*.(csv|x)+", ["a.(csv|x)+"], ["a.csv"]),
    ("\u00e9*\n?", ["\u00e9\u4e2d\n\U0001f600"], ["\u00e9"]),
]


@pytest.mark.parametrize(("pattern", "those", "others"), FITS)
def test_a_pattern_names_keys_folder_by_folder(pattern: str, those: list[str], others: list[str]) -> None:
    fits = patterns.fitting(pattern)
    assert [key for key in [*those, *others] if fits(key)] == those
    assert all(key.startswith(patterns.prefix_of(pattern)) for key in those)


def test_only_what_has_no_wild_sign_is_a_key_as_it_stands() -> None:
    assert patterns.is_exact("a/b (1).csv")
    assert not any(patterns.is_exact(pattern) for pattern in ("a*", "a?", "a[1]"))


@given(st.text(st.characters(exclude_characters="*?[", exclude_categories=["Cs"])))
def test_plain_texts_name_themselves_alone(key: str) -> None:
    assert patterns.fitting(key)(key)
    assert not patterns.fitting(key)(f"{key}x")
    assert patterns.prefix_of(key) == key


def test_no_pattern_takes_time_that_grows_beyond_the_keys_length() -> None:
    fits = patterns.fitting("*a" * 100 + "b")
    started = time.process_time()
    assert not fits("a" * 1024)
    assert time.process_time() - started < 1

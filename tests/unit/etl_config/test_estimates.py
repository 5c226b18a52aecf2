"""How long statements may take."""

import pytest

from services.etl.tables.dialects import Effort, Sql, Statement
from services.etl.tables.physical import Size
from services.etl.tables.plans.estimates import seconds

LARGE = Size(rows=10_000_000, bytes=4_000_000_000, exact=False)


def statement(effort: Effort) -> Statement:
    return Statement(Sql("ALTER"), "locks", "Why.", effort=effort)


def test_what_touches_no_row_takes_no_time_however_large_the_table_is() -> None:
    assert seconds(statement("none"), LARGE) == 0.0
    assert seconds(statement("none"), None) == 0.0


def test_writing_a_table_anew_takes_longer_than_reading_it() -> None:
    scan, rewrite = seconds(statement("scan"), LARGE), seconds(statement("rewrite"), LARGE)
    assert scan is not None
    assert rewrite is not None
    assert 0 < scan < rewrite


def test_many_small_rows_take_their_time_too() -> None:
    assert seconds(statement("rewrite"), Size(rows=5_000_000, bytes=1, exact=True)) == pytest.approx(5.0)


def test_without_a_size_nothing_is_claimed() -> None:
    assert seconds(statement("rewrite"), None) is None

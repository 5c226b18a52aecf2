"""Tables for people at a terminal."""

import pytest

from deploy.supervisor import tables


def test_each_column_is_as_wide_as_what_is_in_it() -> None:
    assert tables.lines(("name", "size"), [("a long name", "1 B"), ("b", "12.0 kB")]) == [
        "name         size",
        "a long name  1 B",
        "b            12.0 kB",
    ]


def test_empty_cells_leave_no_blanks_at_the_end_of_a_line() -> None:
    assert tables.lines(("name", "state"), [("a", "")]) == ["name  state", "a"]


def test_what_a_terminal_would_obey_is_not_sent_to_it() -> None:
    assert tables.lines(("name",), [("red\x1b[31m\r\nnext",)])[1] == "red?[31m? next"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (8_192_000, "8.2 MB"),
        (5_000_000_000, "5.0 GB"),
        (2 * 10**15, "2000.0 TB"),
    ],
)
def test_sizes_are_shown_as_people_read_them(count: int | None, shown: str) -> None:
    assert tables.size(count) == shown

"""What sort_rows and deduplicate do, and what all whole-table steps can count on, on small tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.etl.handlers import _first_rows
from services.etl.handlers._base import TableHandler
from services.etl.handlers.aggregate import Aggregate
from services.etl.handlers.deduplicate import Deduplicate
from services.etl.handlers.sort_rows import SortRows
from services.etl.pipeline import duck
from services.etl.pipeline.context import Context
from services.etl.pipeline.duck_errors import MemoryFull, ScratchFull
from services.etl.pipeline.errors import HandlerFailed, SourceChanged
from services.etl.pipeline.pieces import Piece
from shared.errors import PenstockError
from tests.unit.etl_data.whole_tables import GIVEN, ROWS, Run, columns, pieces, places


class TestSortRows:
    def sorted(self, *by: dict[str, str]) -> list[int]:
        result = Run().of(SortRows.of({"by": list(by)}), GIVEN, ROWS)
        assert sorted(result.records) == [1, 2, 3, 4, 5]
        assert result.lines == [10 * record for record in result.records]
        assert result.rows == [ROWS[record - 1] for record in result.records]
        return result.records

    def test_text_is_ordered_by_code_points_and_null_comes_last(self) -> None:
        assert self.sorted({"column": "b"}) == [2, 5, 1, 4, 3]
        assert self.sorted({"column": "b", "direction": "descending"}) == [4, 1, 5, 2, 3]

    def test_null_comes_first_where_it_is_asked_for(self) -> None:
        assert self.sorted({"column": "b", "nulls": "first", "direction": "descending"}) == [3, 4, 1, 5, 2]

    def test_equal_rows_keep_their_order_and_the_next_column_decides_first(self) -> None:
        assert self.sorted({"column": "a"}) == [1, 3, 2, 5, 4]
        assert self.sorted({"column": "a"}, {"column": "d"}) == [3, 1, 5, 2, 4]

    def test_every_column_without_an_order_is_named(self) -> None:
        with pytest.raises(PenstockError) as raised:
            SortRows.of({"by": [{"column": "q"}, {"column": "a"}, {"column": "j"}]}).columns_out(
                columns(a="text", j="json")
            )
        assert places(raised) == [("by", 0, "column"), ("by", 2, "column")]


class TestDeduplicate:
    GIVEN = columns(a="int64", b="text", f="float64")
    ROWS = (
        {"a": 1, "b": "x", "f": 0.0}, {"a": 1, "b": "x", "f": -0.0}, {"a": None, "b": None, "f": 2.0},
        {"a": None, "b": None, "f": 1.0}, {"a": 2, "b": "", "f": None}, {"a": 1, "b": "x", "f": 9.0},
        {"a": 2, "b": "", "f": 3.0},
    )  # fmt: skip

    @pytest.mark.parametrize("key", [["a"], ["b"], ["a", "b"]])
    @pytest.mark.parametrize("at_once", [False, True])
    @pytest.mark.parametrize(
        ("params", "kept"),
        [
            ({}, [1, 3, 5]),
            ({"keep": "last"}, [4, 6, 7]),
            ({"by": "f"}, [1, 4, 7]),
            ({"by": "f", "keep": "last"}, [3, 6, 7]),
        ],
    )
    def test_one_row_of_each_key_is_kept(
        self, key: list[str], params: Any, kept: list[int], *, at_once: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if at_once:  # the keys of the first piece already are too many
            monkeypatch.setattr(_first_rows, "SHARE", 1 << 60)
        result = Run().of(Deduplicate.of({"columns": key, **params}), self.GIVEN, self.ROWS)
        assert (result.records, result.lines) == (kept, [10 * record for record in kept])
        assert result.adds_up

    @pytest.mark.parametrize("params", [{}, {"keep": "last"}])
    def test_zero_has_no_sign(self, params: Any) -> None:
        for key in (["f"], ["f", "b"]):
            result = Run().of(Deduplicate.of({"columns": key, **params}), self.GIVEN, self.ROWS)
            assert len(result.rows) == 6

    def test_no_two_keys_run_together(self) -> None:
        rows: list[dict[str, Any]] = [
            {"a": "1:", "b": ""},
            {"a": "1", "b": ":"},
            {"a": "N", "b": None},
            {"a": None, "b": "N"},
        ]
        handler = Deduplicate.of({"columns": ["a", "b"]})
        assert len(Run().of(handler, columns(a="text", b="text"), rows).rows) == 4

    def test_first_rows_are_given_before_the_source_ends(self) -> None:
        def endless() -> Iterator[Piece]:
            yield from pieces(self.GIVEN, self.ROWS, size=2)
            raise AssertionError("the source was read ahead")

        handler = Deduplicate.of({"columns": ["a"]})
        context = Context(step="x", columns_in=self.GIVEN, columns_out=self.GIVEN)
        given = handler.through(endless(), context)
        assert [len(next(given).rows) for _ in range(4)] == [1, 1, 1, 0]

    def test_what_can_not_work_is_refused_with_every_place(self) -> None:
        with pytest.raises(PenstockError) as raised:
            Deduplicate.of({"columns": ["a", "q"], "by": "j"}).columns_out(columns(a="text", j="json"))
        assert places(raised) == [("columns", 1), ("by",)]


ORDER = {"by": [{"column": "a"}]}


class TestMeans:
    def test_what_breaks_the_source_is_raised_as_it_is(self) -> None:
        def broken() -> Iterator[Piece]:
            yield from pieces(GIVEN, ROWS, size=2)
            raise SourceChanged(reason="it is gone")

        for handler in (SortRows.of(ORDER), Aggregate.of({"group_by": ["a"]})):
            with pytest.raises(SourceChanged):
                Run(given=broken()).of(handler, GIVEN, ROWS)

    @pytest.mark.parametrize(
        "handler",
        [
            SortRows.of(ORDER),
            Aggregate.of({"group_by": ["a"]}),
            Deduplicate.of({"columns": ["a"], "by": "a"}),
        ],
    )
    def test_names_that_differ_in_case_alone_are_two(self, handler: TableHandler, tmp_path: Path) -> None:
        given = columns(a="int64", A="text", seq="text", record="text")
        rows: list[dict[str, Any]] = [{"a": 2, "A": "x", "seq": "s", "record": "r"}, {"a": 1}]
        result = Run(scratch=tmp_path).of(handler, given, rows)
        assert {row["a"] for row in result.rows} == {1, 2}
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM read_text('/etc/hostname')",
            "SELECT * FROM 'x.csv'",
            "COPY (SELECT 1) TO 'x.csv'",
            "ATTACH 'x.db'",
            "LOAD httpfs",
            "INSTALL httpfs",
            "SET memory_limit = '64GB'",
            "SET enable_external_access = true",
            "SELECT * FROM rows",
        ],
    )
    def test_sql_reaches_nothing_beyond_its_rows(self, sql: str) -> None:
        rows = [1]
        with duck.Duck(Context(step="x")) as database, pytest.raises(HandlerFailed):
            list(database.rows(sql))
        assert rows

    def test_a_scratch_folder_that_is_full_is_an_error_of_its_own(self, tmp_path: Path) -> None:
        context = Context(step="sort_rows", scratch=tmp_path, memory_mb=64)
        with duck.Duck(context, scratch_mb=1) as database, pytest.raises(ScratchFull):
            list(database.rows("SELECT *, md5(range::VARCHAR) FROM range(3000000) ORDER BY hash(range)"))
        assert not list(tmp_path.iterdir())

    def test_a_value_that_outgrows_the_memory_is_an_error_of_its_own(self, tmp_path: Path) -> None:
        context = Context(step="aggregate", scratch=tmp_path, memory_mb=64)
        with duck.Duck(context) as database, pytest.raises(MemoryFull):
            list(database.rows("SELECT string_agg(repeat('x', 1000), '') FROM range(300000)"))

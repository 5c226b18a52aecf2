"""What a join does, on small tables."""

from decimal import Decimal
from typing import Any

import pytest

from services.etl.handlers.join import Join
from shared.errors import PenstockError
from tests.unit.etl_data.whole_tables import GIVEN, ROWS, Looked, Run, columns, places

RIGHT = Looked(
    columns(k="decimal(4,1)", v="text", a="int64"),
    [{"k": Decimal(1), "v": "one"}, {"k": Decimal(1), "v": "uno"}, {"v": "null"}, {"k": Decimal(2)}],
)


def join(**params: Any) -> Join:
    taken = params.pop("columns", [{"column": "v"}])
    return Join.of(
        {"right": {}, "keys": [{"left": "a", "right": "k"}], "columns": taken, "dropped": "reject", **params}
    )


class TestJoin:
    @pytest.mark.parametrize(
        ("how", "several", "records", "codes"),
        [
            ("left", "first", [1, 2, 3, 4, 5], ""),
            ("left", "reject", [2, 4, 5], "1s 3s"),
            ("left", "multiply", [1, 1, 2, 3, 3, 4, 5], ""),
            ("inner", "first", [1, 2, 3, 5], "4n"),
            ("inner", "reject", [2, 5], "1s 3s 4n"),
            ("inner", "multiply", [1, 1, 2, 3, 3, 5], "4n"),
            ("semi", "first", [1, 2, 3, 5], "4n"),
            ("semi", "multiply", [1, 2, 3, 5], "4n"),
            ("anti", "reject", [4], "1h 2h 3h 5h"),
            ("anti", "multiply", [4], "1h 2h 3h 5h"),
        ],
    )
    def test_rows_stay_go_or_become_more(
        self, how: str, several: str, records: list[int], codes: str
    ) -> None:
        result = Run(right=RIGHT).of(join(how=how, several=several), GIVEN, ROWS)
        assert result.records == records
        told = sorted(f"{row.record}{row.code[0]}" for row in result.context.rejected)
        assert (told, result.adds_up) == (codes.split(), True)
        if how in {"left", "inner"}:
            assert result.rows[-1] == {**ROWS[4 if how == "inner" or records[-1] == 5 else 3], "v": None}
        filtering = Run(right=RIGHT).of(join(how=how, several=several, dropped="filter"), GIVEN, ROWS)
        assert (filtering.records, filtering.adds_up) == (records, True)

    def test_the_first_match_is_that_of_the_first_row(self) -> None:
        rows = Run(right=RIGHT).of(join(), GIVEN, ROWS).rows
        assert [row["v"] for row in rows] == ["one", None, "one", None, None]

    def test_a_reject_tells_the_value_of_the_key(self) -> None:
        result = Run(right=RIGHT).of(join(how="inner"), GIVEN, [{"a": 7}])
        (row,) = result.context.rejected
        assert (row.column, row.value, row.code) == ("a", "7", "no_match")

    def test_columns_are_renamed_or_get_the_prefix(self) -> None:
        taken = [{"column": "v", "into": "name"}, {"column": "a"}]
        result = Run(right=RIGHT).of(join(columns=taken, prefix="r_"), GIVEN, ROWS)
        assert result.columns.names == ("a", "b", "d", "z", "name", "r_a")

    def test_an_empty_further_source_matches_nothing(self) -> None:
        result = Run(right=Looked(RIGHT.columns, [])).of(join(how="anti"), GIVEN, ROWS)
        assert result.records == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        ("params", "place"),
        [
            ({"columns": [{"column": "q"}]}, ("columns", 0, "column")),
            ({"columns": [{"column": "a"}]}, ("columns", 0, "column")),
            ({"columns": [{"column": "v", "into": "b"}]}, ("columns", 0, "into")),
            ({"keys": [{"left": "a", "right": "v"}]}, ("keys", 0, "right")),
            ({"keys": [{"left": "q", "right": "k"}]}, ("keys", 0, "left")),
        ],
    )
    def test_what_can_not_work_is_refused_with_its_place(self, params: Any, place: Any) -> None:
        handler = join(**params)
        handler.looked_up = {"right": RIGHT.columns}
        with pytest.raises(PenstockError) as raised:
            handler.columns_out(GIVEN)
        assert places(raised) == [place]

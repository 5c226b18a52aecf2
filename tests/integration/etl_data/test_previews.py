"""Previews: the first rows, guesses with reasons, and what is wrong, from a child under limits."""

from pathlib import Path
from typing import Any

import pytest

from services.etl.loaders.csv import Csv
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec, PreviewUnavailable
from services.etl.runner.executor import Executor
from shared.identifiers import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def look(warm: Executor, tmp_path: Path) -> Any:
    async def look(content: bytes | str, **given: Any) -> PreviewResult:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / "file.csv"
        path.write_bytes(data)
        return await warm.preview(PreviewSpec(path=str(path), size=len(data), **given))

    return look


MIXED = """id;sku;price;day;seen;paid;note;nothing
1;007;1,50;31/12/2025;2026-01-01T00:00:00Z;true;"a;b";
2;010;-20,25;01/02/2026;2026-01-02T00:00:00+02:00;false;NA;
"""


async def test_types_are_guessed_with_their_reasons(look: Any) -> None:
    result = await look(MIXED)
    kinds = {column.name: str(column.type) for column in result.columns}
    assert kinds == {
        "id": "int64", "sku": "text", "price": "decimal(18,2)", "day": "date", "seen": "timestamptz",
        "paid": "boolean", "note": "text", "nothing": "text",
    }  # fmt: skip
    assert all(column.reason for column in result.columns)
    assert result.params["delimiter"] == ";"
    assert result.params["decimal_sign"] == ","
    assert result.rows[0] == ["1", "007", "1,50", "31/12/2025", "2026-01-01T00:00:00Z", "true", "a;b", None]
    assert (result.rows_read, result.complete, result.problems) == (2, True, [])


async def test_what_a_preview_proposes_reads_the_file(look: Any, tmp_path: Path) -> None:
    result = await look(MIXED)
    loader = Csv.of({"file_id": str(uuid7()), **result.params})
    assert loader.columns_out().names == tuple(column.name for column in result.columns)


async def test_words_for_null_are_found_in_columns_of_numbers(look: Any) -> None:
    result = await look("a,b\n1,x\nNA,NA\n")
    assert str(result.columns[0].type) == "int64"
    assert result.params["null_tokens"] == ["", "NA"]


async def test_dates_that_fit_two_formats_are_not_guessed(look: Any) -> None:
    result = await look("day\n01/02/2026\n")
    assert str(result.columns[0].type) == "text"
    assert [problem.code for problem in result.problems] == ["date_ambiguous"]


async def test_a_file_of_numbers_alone_has_no_header(look: Any) -> None:
    result = await look("1,2\n3,4\n")
    assert result.params["header"] is False
    assert [column.name for column in result.columns] == ["column_1", "column_2"]


async def test_given_parameters_are_kept(look: Any) -> None:
    result = await look("a,b\nx;y,z\n", params={"header": False, "delimiter": ";"})
    assert (result.params["header"], result.params["delimiter"]) == (False, ";")


async def test_problems_have_their_place(look: Any) -> None:
    result = await look(b"a,b,a\n1,2,3\n4\n5,6,\xff\n")
    found = [(problem.code, problem.record, problem.line, problem.severity) for problem in result.problems]
    assert found == [
        ("header_duplicate", None, None, "error"),
        ("ragged_row", 2, 3, "warning"),
    ]


async def test_only_the_beginning_of_a_large_file_is_looked_at(look: Any) -> None:
    line = "x" * 90 + ",1\n"
    result = await look("a,b\n" + line * 100_000, rows=3)
    assert (len(result.rows), result.complete) == (3, False)
    assert 0 < result.rows_read < 100_000


@pytest.mark.parametrize(
    ("content", "params", "code"),
    [
        (b"", {}, "file_empty"),
        (b'a,b\n1,"open\n', {}, "unterminated_quote"),
        (b"a,b\n1,2\n", {"delimiter": "ab"}, "params_invalid"),
        (b"a,b\n1,2\n", {"unknown": 1}, "params_invalid"),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, "encoding_invalid"),
    ],
)
async def test_what_can_not_be_previewed_is_refused_with_its_code(
    look: Any, content: bytes, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(PreviewRefused) as raised:
        await look(content, params=params)
    assert [fault.code for fault in raised.value.all_faults()] == [code]


async def test_a_preview_that_takes_too_long_is_ended_and_the_next_one_works(look: Any) -> None:
    with pytest.raises(PreviewUnavailable):
        await look("a,b\n1,2\n", timeout_seconds=0.001)
    assert (await look("a,b\n1,2\n")).rows == [["1", "2"]]


async def test_an_unknown_loader_is_refused(look: Any) -> None:
    with pytest.raises(PreviewRefused):
        await look("a\n", loader="fax")

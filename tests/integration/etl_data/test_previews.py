"""Previews: the first rows, guesses with reasons, and what is wrong, from a child under limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.etl.columns import ColumnType
from services.etl.loaders import _csv_preview
from services.etl.loaders._base import SourceFile
from services.etl.loaders.csv import Csv
from services.etl.pipeline import text_casting
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.job import JobFile, JobSource
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
        return await warm.preview(_spec(path, **given))

    return look


def _spec(
    path: Path, *, loader: str = "csv", params: Mapping[str, Any] | None = None, **given: Any
) -> PreviewSpec:
    file = JobFile(path=str(path), size=path.stat().st_size)
    return PreviewSpec(source=JobSource(loader=loader, params=dict(params or {}), files=[file]), **given)


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
        ("encoding_guessed", None, None, "warning"),
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
        (b"\0" * 1_000_000, {}, "header_invalid"),
        (b"x" * 256 + b",b\n1,2\n", {"header": True}, "header_invalid"),
        (b"x," * 2000 + b"x\n", {}, "header_invalid"),
        ("a,b\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16"}, "encoding_invalid"),
        ("a,b\n1,2\n".encode("utf-16") + b"\0", {"encoding": "utf-16"}, "encoding_invalid"),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, "encoding_invalid"),
    ],
)
async def test_what_can_not_be_previewed_is_refused_with_its_code(
    look: Any, content: bytes, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(PreviewRefused) as raised:
        await look(content, params=params)
    assert [fault.code for fault in raised.value.all_faults()] == [code]


async def test_parameters_that_a_task_refuses_are_refused_with_their_places(look: Any) -> None:
    columns = [
        {"name": "a", "type": "date", "format": "%"},
        {"name": "b", "type": "timestamptz", "timezone": "../../etc/passwd"},
    ]
    with pytest.raises(PreviewRefused) as raised:
        await look("a,b\n1,2\n", params={"delimiter": "ab", "unknown": 1, "columns": columns})
    assert {fault.loc: fault.code for fault in raised.value.all_faults()} == {
        ("params", "delimiter"): "string_too_long",
        ("params", "unknown"): "extra_forbidden",
        ("params", "columns", 0): "date_format_unknown",
        ("params", "columns", 1, "timezone"): "string_pattern_mismatch",
    }


@pytest.mark.parametrize(
    "params", [{"columns": []}, {"columns": "x"}, {"header": "perhaps"}, {"encoding": ""}, {"header": None}]
)
async def test_a_given_parameter_is_checked_even_where_the_preview_finds_its_own(
    look: Any, params: dict[str, Any]
) -> None:
    with pytest.raises(PreviewRefused) as raised:
        await look("a,b\n1,2\n", params=params)
    assert [fault.loc for fault in raised.value.all_faults()] == [("params", *params)]


async def test_a_given_parameter_is_shown_as_a_task_takes_it(look: Any) -> None:
    columns = [{"name": "a", "type": "DECIMAL(5, 2)"}]
    result = await look("a\n1\n", params={"header": "yes", "columns": columns})
    assert result.params["header"] is True
    assert result.params["columns"] == [{"name": "a", "type": "decimal(5,2)"}]


async def test_long_cells_and_examples_are_shortened(look: Any) -> None:
    result = await look("a,b\n" + "x" * 201 + "," + "y" * 200 + "\n")
    assert result.rows == [["x" * 199 + "\u2026", "y" * 200]]
    assert result.columns[0].examples == ["x" * 199 + "\u2026"]
    bad = await look("a,b\n\0" + "x" * 1000 + ",1\n", params={"header": True})
    assert [len(problem.value or "") for problem in bad.problems] == [200]


async def test_an_answer_is_bounded_whatever_the_file_holds(look: Any) -> None:
    line = ",".join(["\x01" * 190] * 100) + "\n"
    result = await look(",".join(f"c{at}" for at in range(100)) + "\n" + line * 110, rows=1000)
    assert 0 < len(result.rows) < 100
    assert len(result.model_dump_json()) < 8 << 20


async def test_a_file_of_many_columns_takes_no_cast_for_each_type_and_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried: list[str] = []

    def counted(values: Any, kind: ColumnType, form: TextForm) -> bool:
        tried.append(str(kind))
        return text_casting.fits(values, kind, form)

    monkeypatch.setattr("services.etl.loaders._csv_types.fits", counted)
    path = tmp_path / "wide.csv"
    path.write_text("\n".join(",".join(f"{word}{at}" for at in range(500)) for word in ("name", "x", "y")))
    spec = _spec(path)
    result = _csv_preview.preview(spec, SourceFile(path, path.stat().st_size))
    assert {str(column.type) for column in result.columns} == {"text"}
    assert tried == []


async def test_a_preview_that_takes_too_long_is_ended_and_the_next_one_works(look: Any) -> None:
    with pytest.raises(PreviewUnavailable):
        await look("a,b\n1,2\n", timeout_seconds=0.001)
    assert (await look("a,b\n1,2\n")).rows == [["1", "2"]]


async def test_an_unknown_loader_is_refused(look: Any) -> None:
    with pytest.raises(PreviewRefused):
        await look("a\n", loader="fax")

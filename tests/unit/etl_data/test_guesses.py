"""What a preview proposes for a CSV file reads that file: signs in numbers and words that mean NULL."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders.csv import Csv
from services.etl.pipeline.job import JobSource
from services.etl.previews.definition import PreviewResult, PreviewSpec
from tests.unit.etl_data.reading import Read, read_all


def look(tmp_path: Path, content: str, **params: Any) -> tuple[PreviewResult, Read]:
    """The preview of a file, and what a run reads with all that the preview proposes."""
    path = tmp_path / "file.csv"
    path.write_text(content)
    spec = PreviewSpec(source=JobSource(loader="csv", params=params))
    seen = Csv.preview(spec, Source((SourceFile(path, path.stat().st_size),)))
    return seen, read_all(Csv.of({"file_id": str(UUID(int=1)), **seen.params}), [path])


def test_columns_with_different_decimal_signs_are_all_read(tmp_path: Path) -> None:
    _, read = look(tmp_path, "a;b;c\n24,90;1.5;7\n3,5;-1.25;8\n")
    assert read.rows == [(Decimal("24.90"), Decimal("1.50"), 7), (Decimal("3.50"), Decimal("-1.25"), 8)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1.234,56", "-7,10", "1000,00"], ["1234.56", "-7.10", "1000.00"]),
        (["1,234,567", "12"], ["1234567", "12"]),
        (["1,234.5", "12"], ["1234.5", "12.0"]),
        (["1,234", "5,678"], ["1.234", "5.678"]),
    ],
)
def test_thousands_are_grouped_where_a_value_shows_it(
    tmp_path: Path, values: list[str], expected: list[str]
) -> None:
    _, read = look(tmp_path, "x;y\n" + "".join(f"{value};t\n" for value in values))
    assert [row[0] for row in read.rows] == [Decimal(value) for value in expected]


def test_numbers_are_guessed_by_the_signs_that_are_given(tmp_path: Path) -> None:
    seen, read = look(tmp_path, "x;y\n1.234;t\n5.678;t\n", decimal_sign=",", thousands_sign=".")
    assert [row[0] for row in read.rows] == [1234, 5678]
    assert seen.params["decimal_sign"] == ","


def test_wrongly_grouped_thousands_are_no_numbers(tmp_path: Path) -> None:
    seen, _ = look(tmp_path, "x;y\n1.234.56;t\n")
    assert str(seen.columns[0].type) == "text"


def test_a_text_that_a_word_for_null_would_swallow_is_told(tmp_path: Path) -> None:
    seen, read = look(tmp_path, "country,rate,note\n" + "DE,1,x\n" * 6 + "NA,NA,x\n")
    assert [(problem.code, problem.column, problem.severity) for problem in seen.problems] == [
        ("null_token_in_text", "country", "warning")
    ]
    assert read.rows[-1] == (None, None, "x")


def test_nothing_is_told_of_words_for_null_that_are_given(tmp_path: Path) -> None:
    seen, _ = look(tmp_path, "country,rate\nNA,NA\nDE,1\n", null_tokens=["NA"])
    assert seen.problems == []


def test_times_of_one_column_are_not_taken_apart(tmp_path: Path) -> None:
    seen, read = look(tmp_path, "seen\n2026-01-01T00:00:00\n2026-01-02T00:00:00\n")
    assert [(column.name, str(column.type)) for column in seen.columns] == [("seen", "timestamp")]
    assert len(read.rows) == 2


def test_colons_between_all_fields_are_delimiters(tmp_path: Path) -> None:
    _, read = look(tmp_path, "user:shell\nroot:sh\nme:zsh\n")
    assert read.rows == [("root", "sh"), ("me", "zsh")]

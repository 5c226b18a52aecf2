"""What previews of files have in common: cells, columns and problems as a person sees them, within bounds."""

from collections.abc import Container, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import TEXT
from services.etl.loaders import _csv_types
from services.etl.loaders._base import Batch
from services.etl.loaders._csv_types import Guess
from services.etl.loaders._files import FileLoader
from services.etl.previews.definition import PreviewColumn, PreviewProblem

HEAD_BYTES: Final = 1 << 20
EXAMPLES: Final = 5
PROBLEMS: Final = 20
SHOWN: Final = 200
ROWS_BYTES: Final = 6 << 20
"""All rows of an answer together: one of 5000 cells of 200 characters of six bytes each still fits."""
_EXAMPLES_SHOWN: Final = 200_000
_EXAMPLE_SHOWN: Final = 20
_NO_FILE: Final = str(UUID(int=0))
_DECLARED: Final = [{"name": "field", "type": "text"}]


def given(loader: type[FileLoader], params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that are given, as a task takes them. Raises ParamsInvalid as it does."""
    others: dict[str, Any] = {"columns": _DECLARED}
    if params.get("pattern") is None:
        others["file_id"] = _NO_FILE
    checked = loader.of(others | params, loc=("params",))
    return checked.params.model_dump(mode="json", include=set(params), exclude_unset=True)


def chosen(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with a choice of files, whichever that is."""
    return params if params.get("pattern") is not None else {"file_id": _NO_FILE} | params


def columns(
    names: Iterable[str], guesses: Iterable[Guess], values: Sequence[Any], *, required: Container[str] = ()
) -> list[PreviewColumn]:
    """Columns with their guesses and first values as text; those `required` may not be NULL."""
    shown = max(_EXAMPLE_SHOWN, min(SHOWN, _EXAMPLES_SHOWN // (EXAMPLES * max(1, len(values)))))
    return [
        _column(name, guess, array, shown=shown, nullable=name not in required)
        for name, guess, array in zip(names, guesses, values, strict=True)
    ]


def _column(name: str, guess: Guess, values: Any, *, shown: int, nullable: bool) -> PreviewColumn:
    examples = pc.unique(pc.drop_null(values)).slice(0, EXAMPLES).to_pylist()
    missing = f", {values.null_count} empty" if values.null_count else ""
    return PreviewColumn(
        name=name,
        type=guess.type,
        nullable=nullable,
        reason=guess.reason + missing,
        format=guess.format,
        examples=[shortened(example, shown) for example in examples],
    )


def declared(column: PreviewColumn) -> dict[str, Any]:
    """A column as a task declares it."""
    parts: dict[str, Any] = {"name": column.name, "type": str(column.type)}
    if not column.nullable:
        parts["nullable"] = False
    return parts | ({"format": column.format} if column.format else {})


def problems_of(batch: Batch) -> list[PreviewProblem]:
    """The first rejected records of a batch."""
    found = []
    for row, line in zip(batch.rejected[:PROBLEMS], batch.rejected_lines, strict=False):
        place = f"Record {row.record}" + (f" (line {line})" if line else "")
        found.append(
            PreviewProblem(
                code=row.code, message=f"{place} {row.reason}.", severity="warning", record=row.record,
                line=line, column=row.column, value=shortened(row.value or ""),
            )
        )  # fmt: skip
    return found


def ambiguous(names: Iterable[str], guesses: Iterable[Guess]) -> list[PreviewProblem]:
    """Columns of dates that nobody can tell the format of."""
    return [
        PreviewProblem(
            code="date_ambiguous",
            message=f"Column {name!r} has {guess.reason}.",
            severity="warning",
            column=name,
        )
        for name, guess in zip(names, guesses, strict=True)
        if guess.ambiguous
    ]


_OUTCOMES: Final = {
    "fail": "a run would end",
    "ignore": "it is left out",
    "collect": "its values are collected",
}


def compared(params: dict[str, Any], names: Sequence[str]) -> list[PreviewProblem]:
    """What a file has beside the columns that are given, and what it lacks of them."""
    if "columns" not in params:
        return []
    declared = [column["name"] for column in params["columns"]]
    missing = [
        PreviewProblem(
            code="column_missing",
            message=f"Column {name[:80]!r} is declared and not there: a run would end.",
            severity="error",
            column=name,
        )
        for name in declared
        if name not in names
    ]
    return [*missing[:PROBLEMS], *undeclared(params, [name for name in names if name not in declared])]


def undeclared(params: dict[str, Any], names: Iterable[str]) -> list[PreviewProblem]:
    """Columns that are not declared, and what becomes of them."""
    choice = params.get("extra_columns", "fail")
    return [
        PreviewProblem(
            code="column_undeclared",
            message=f"Column {name[:80]!r} is not declared: {_OUTCOMES[choice]}.",
            severity="error" if choice == "fail" else "warning",
            column=name,
        )
        for name in dict.fromkeys(names)
    ][:PROBLEMS]


def cells(values: Sequence[Any], rows: int) -> list[list[str | None]]:
    """The first rows of text columns with their cells shortened, as many as `ROWS_BYTES` hold."""
    columns = [column.slice(0, rows).to_pylist() for column in values]
    shown, room = list[list[str | None]](), ROWS_BYTES
    for row in zip(*columns, strict=True):
        line = [None if cell is None else shortened(cell) for cell in row]
        room -= len(orjson.dumps(line))
        if room < 0:
            break
        shown.append(line)
    return shown


def shortened(text: str, most: int = SHOWN) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def of_texts(texts: list[str]) -> Guess:
    """The type of texts in a file that has numbers and words of its own: a date, a time, a UUID, or text."""
    guess = _csv_types.guess(pa.array(texts, pa.string()))
    dated = guess.type.kind in {"date", "time", "timestamp", "timestamptz", "uuid"} and not guess.nulls
    return guess if dated or guess.ambiguous else Guess(TEXT, f"{len(texts)} texts")

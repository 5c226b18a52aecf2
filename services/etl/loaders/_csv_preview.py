"""Look at the beginning of a CSV file, with the very reader that a run uses."""

from collections import Counter
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow.compute as pc

from services.etl.loaders import _csv_guess, _csv_header, _csv_types
from services.etl.loaders._base import Batch, Source, SourceFile
from services.etl.loaders.csv import MAX_COLUMNS, Csv
from services.etl.pipeline.errors import HeaderInvalid, SourceInvalid
from services.etl.previews.definition import PreviewColumn, PreviewProblem, PreviewResult, PreviewSpec

HEAD_BYTES: Final = 1 << 20
EXAMPLES: Final = 5
PROBLEMS: Final = 20
SHOWN: Final = 200
ROWS_BYTES: Final = 6 << 20
"""All rows of an answer together: one of 5000 cells of 200 characters of six bytes each still fits."""
_EXAMPLES_SHOWN: Final = 200_000
_EXAMPLE_SHOWN: Final = 20
_NO_FILE: Final = str(UUID(int=0))


def preview(spec: PreviewSpec, file: SourceFile) -> PreviewResult:
    """Complete the parameters that `spec` leaves open, and show the first rows under them.

    Raises SourceInvalid where the file can't be read at all, ParamsInvalid for parameters that can't be.
    """
    given = _given(spec.params)
    form = _form(file, given)
    fields = _csv_header.first_record(
        file.path, encoding=form["encoding"], delimiter=form["delimiter"], quote=form["quote"],
        escape=form["escape"],
    )  # fmt: skip
    if len(fields) > MAX_COLUMNS:
        raise HeaderInvalid(reason=f"it has {len(fields)} fields, and a task at most {MAX_COLUMNS} columns")
    header = given.get("header")
    if header is None:
        header = _csv_guess.looks_like_header(fields)
    names = _csv_header.named(fields) if header else [f"column_{at}" for at in range(1, len(fields) + 1)]
    batch, complete, problems = _first_rows(file, given | form, len(fields))
    if header:
        batch.rows, batch.rows_read = batch.rows.slice(1), batch.rows_read - 1
        problems = [_shifted(problem) for problem in problems]
    guesses = [_csv_types.guess(column) for column in batch.rows.columns]
    params = form | {"header": header} | _found(guesses) | given
    problems = [*_of_names(names, header=header), *_of_guesses(names, guesses), *problems]
    shown = max(_EXAMPLE_SHOWN, min(SHOWN, _EXAMPLES_SHOWN // (EXAMPLES * len(names))))
    columns = [
        _column(*each, shown=shown)
        for each in zip(_distinct(names), guesses, batch.rows.columns, strict=True)
    ]
    return PreviewResult(
        params={"columns": [_declared(column) for column in columns]} | params,
        columns=columns,
        rows=_cells(batch, spec.rows),
        rows_read=batch.rows_read,
        complete=complete,
        size=file.size,
        problems=problems[:PROBLEMS],
    )


def _given(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that are given, as a task takes them. Raises ParamsInvalid as it does."""
    others = {"file_id": _NO_FILE, "columns": [{"name": "field", "type": "text"}]}
    loader = Csv.of(others | params, loc=("params",))
    return loader.params.model_dump(mode="json", include=set(params), exclude_unset=True)


def _form(file: SourceFile, given: dict[str, Any]) -> dict[str, Any]:
    """Encoding and signs: those given, the others guessed from the first bytes."""
    with file.path.open("rb") as content:
        head = content.read(HEAD_BYTES)
    encoding = given.get("encoding") or _csv_guess.encoding(head)
    dialect = _csv_guess.dialect(
        _csv_guess.text_of(head, encoding),
        delimiter=given.get("delimiter"),
        quote=given.get("quote"),
        escape=given.get("escape"),
    )
    quote = given.get("quote", dialect.quote)
    return {
        "encoding": encoding,
        "delimiter": dialect.delimiter,
        "quote": quote,
        "escape": dialect.escape if quote else None,
    }


def _checked(params: dict[str, Any], *, fields: int) -> Csv:
    """A loader that reads every field as text under these parameters."""
    columns = [{"name": f"field_{at}", "type": "text"} for at in range(fields)]
    plain = {"header": False, "empty_rows": "skip", "extra_columns": "ignore", "columns": columns}
    return Csv.of({"file_id": _NO_FILE} | params | plain, loc=("params",))


def _first_rows(
    file: SourceFile, params: dict[str, Any], fields: int
) -> tuple[Batch, bool, list[PreviewProblem]]:
    loader = _checked(params, fields=fields)
    problems: list[PreviewProblem] = []
    batch: Batch | None = None
    complete = False
    with loader.open(Source((file,))) as reading:
        batches = iter(reading)
        try:
            batch = next(batches)
            after = next(batches, None)
            complete = after is None or after.rows_read == 0
        except SourceInvalid as error:
            if batch is None:
                raise
            problems.append(PreviewProblem(code=error.code(), message=str(error), severity="error"))
    for row, line in zip(batch.rejected[:PROBLEMS], batch.rejected_lines, strict=False):
        place = f"Record {row.record} (line {line})"
        problems.append(
            PreviewProblem(
                code=row.code, message=f"{place} {row.reason}.", severity="warning", record=row.record,
                line=line, value=_shortened(row.value or ""),
            )
        )  # fmt: skip
    return batch, complete, problems


def _shifted(problem: PreviewProblem) -> PreviewProblem:
    """The header was read as record 1: with a header, the record after it is."""
    if problem.record is None:
        return problem
    record = problem.record - 1
    message = problem.message.replace(f"Record {problem.record} ", f"Record {record} ", 1)
    return problem.model_copy(update={"record": record, "message": message})


def _found(guesses: list[_csv_types.Guess]) -> dict[str, Any]:
    words = dict.fromkeys(word for guess in guesses for word in guess.nulls)
    signs = Counter(guess.decimal_sign for guess in guesses if guess.type.kind == "decimal")
    sign = "," if signs and signs[","] > signs["."] else "."
    return {"null_tokens": ["", *words], "decimal_sign": sign}


def _of_names(names: list[str], *, header: bool) -> list[PreviewProblem]:
    doubled = [name for name, times in Counter(names).items() if times > 1] if header else []
    return [
        PreviewProblem(
            code="header_duplicate",
            message=f"The header has {name!r} more than once: a run would refuse the file.",
            severity="error",
            column=name,
        )
        for name in doubled
    ]


def _of_guesses(names: list[str], guesses: list[_csv_types.Guess]) -> list[PreviewProblem]:
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


def _distinct(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def _column(name: str, guess: _csv_types.Guess, values: Any, *, shown: int) -> PreviewColumn:
    examples = pc.unique(pc.drop_null(values)).slice(0, EXAMPLES).to_pylist()
    missing = f", {values.null_count} empty" if values.null_count else ""
    return PreviewColumn(
        name=name,
        type=guess.type,
        nullable=True,
        reason=guess.reason + missing,
        format=guess.format,
        examples=[_shortened(example, shown) for example in examples],
    )


def _declared(column: PreviewColumn) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": column.name, "type": str(column.type)}
    return declared | ({"format": column.format} if column.format else {})


def _cells(batch: Batch, rows: int) -> list[list[str | None]]:
    """The first rows with their cells shortened, as many as `ROWS_BYTES` hold."""
    columns = [column.slice(0, rows).to_pylist() for column in batch.rows.columns]
    shown, room = list[list[str | None]](), ROWS_BYTES
    for row in zip(*columns, strict=True):
        cells = [None if cell is None else _shortened(cell) for cell in row]
        room -= len(orjson.dumps(cells))
        if room < 0:
            break
        shown.append(cells)
    return shown


def _shortened(text: str, most: int = SHOWN) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"

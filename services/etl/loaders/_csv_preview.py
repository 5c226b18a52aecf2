"""Look at the beginning of a CSV file, with the very reader that a run uses."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders import _csv_guess, _csv_header, _csv_types, _previewing
from services.etl.loaders._base import Batch, SourceFile
from services.etl.loaders._csv_guess import Spelling
from services.etl.loaders._csv_types import Guess, Signs
from services.etl.loaders._files import MAX_COLUMNS
from services.etl.loaders._files_bytes import FileBytes, codec_of
from services.etl.loaders._header_rows import joined
from services.etl.loaders.csv import Csv
from services.etl.pipeline.errors import HeaderInvalid, SourceInvalid
from services.etl.previews.definition import PreviewColumn, PreviewProblem, PreviewResult, PreviewSpec

_SAMPLE: Final = 1 << 18


def preview(spec: PreviewSpec, file: SourceFile) -> PreviewResult:
    """Complete the parameters that `spec` leaves open, and show the first rows under them.

    Raises SourceInvalid where the file can't be read at all, ParamsInvalid for parameters that can't be.
    """
    given = _previewing.given(Csv, spec.params)
    form, doubts = _form(file, given)
    heading = given.get("header_rows", 1)
    above = _csv_header.first_records(_checked(given | form, fields=1), file, heading)
    fields = above[0]
    if len(fields) > MAX_COLUMNS:
        raise HeaderInvalid(reason=f"it has {len(fields)} fields, and a task at most {MAX_COLUMNS} columns")
    header = given.get("header")
    if header is None:
        header = heading > 1 or "extra_column" in given or _csv_guess.looks_like_header(fields)
    names = _names(above, given) if header else [f"column_{at}" for at in range(1, len(fields) + 1)]
    batch, complete, problems = _first_rows(file, given | form, len(fields))
    if header:
        batch.rows, batch.rows_read = batch.rows.slice(heading), batch.rows_read - heading
        problems = [_shifted(problem, heading) for problem in problems]
    signs = Signs(given.get("decimal_sign"), given.get("thousands_sign"))
    guesses = [_csv_types.guess(column, signs) for column in batch.rows.columns]
    found = _found(guesses)
    columns = _previewing.columns(_distinct(names), guesses, batch.rows.columns)
    doubts += _of_names(names, given) if header else []
    doubts += [
        *_previewing.ambiguous(names, guesses),
        *([] if "null_tokens" in given else _of_words(names, guesses, batch.rows.columns)),
    ]
    problems = [*doubts, *problems]
    return PreviewResult(
        params={"columns": [_declared(*pair, found) for pair in zip(columns, guesses, strict=True)]}
        | (form | {"header": header} | found | given),
        columns=columns,
        rows=_previewing.cells(batch.rows.columns, spec.rows),
        rows_read=batch.rows_read,
        complete=complete,
        size=file.size,
        problems=problems[: _previewing.PROBLEMS],
    )


def _names(header: list[list[str]], given: dict[str, Any]) -> list[str]:
    names = joined(header, given.get("header_separator", " "), fill=given.get("header_fill", False))
    return _csv_header.named(names)


def _form(file: SourceFile, given: dict[str, Any]) -> tuple[dict[str, Any], list[PreviewProblem]]:
    """Encoding and signs: those given, the others guessed from the first bytes, with what is in doubt."""
    packed = FileBytes(file, given.get("compression", "auto"))
    try:
        head = packed.read(_previewing.HEAD_BYTES)
    finally:
        packed.close()
    name = given.get("encoding")
    spelling = Spelling(name) if name else _csv_guess.encoding(head, later=_later(file, head))
    dialect = _csv_guess.dialect(
        _csv_guess.after(_csv_guess.text_of(head, spelling.encoding), lines=given.get("skip_rows", 0)),
        delimiter=given.get("delimiter"),
        quote=given.get("quote"),
        escape=given.get("escape"),
    )
    quote = given.get("quote", dialect.quote)
    form = {
        "encoding": spelling.encoding,
        "delimiter": dialect.delimiter,
        "quote": quote,
        "escape": dialect.escape if quote else None,
    }
    return form, [_doubt(spelling)] if spelling.others else []


def _later(file: SourceFile, head: bytes) -> bytes:
    """Whole lines from the middle and the end of a file that isn't packed: signs may come late."""
    if codec_of(head[:16]) or file.size < 2 * _previewing.HEAD_BYTES:
        return b""
    parts = []
    with file.path.open("rb") as content:
        for at in (file.size // 2, file.size - _SAMPLE):
            content.seek(at)
            _, _, lines = content.read(_SAMPLE).partition(b"\n")
            parts.append(lines.rpartition(b"\n")[0])
    return b"\n".join(parts)


def _doubt(spelling: Spelling) -> PreviewProblem:
    others = " or ".join(spelling.others)
    return PreviewProblem(
        code="encoding_guessed",
        message=f"The file is not UTF-8. It is read as {spelling.encoding} and may be {others}: choose one.",
        severity="warning",
    )


def _checked(params: dict[str, Any], *, fields: int) -> Csv:
    """A loader that reads every field as text under these parameters."""
    columns = [{"name": f"field_{at}", "type": "text"} for at in range(fields)]
    plain = {"header": False, "header_rows": 1, "empty_rows": "skip", "columns": columns}
    none = {"extra_columns": "ignore", "extra_column": None, "file_column": None}
    return Csv.of(_previewing.chosen(params) | plain | none, loc=("params",))


def _first_rows(
    file: SourceFile, params: dict[str, Any], fields: int
) -> tuple[Batch, bool, list[PreviewProblem]]:
    loader = _checked(params, fields=fields)
    problems: list[PreviewProblem] = []
    batch: Batch | None = None
    complete = False
    with loader.open_file(file) as reading:
        batches = iter(reading)
        try:
            batch = next(batches)
            after = next(batches, None)
            complete = after is None or after.rows_read == 0
        except SourceInvalid as error:
            if batch is None:
                raise
            problems.append(PreviewProblem(code=error.code(), message=str(error), severity="error"))
    return batch, complete, [*_previewing.problems_of(batch), *problems]


def _shifted(problem: PreviewProblem, heading: int) -> PreviewProblem:
    """The header was read as the first records: with a header, the record after it is the first."""
    if problem.record is None:
        return problem
    record = problem.record - heading
    message = problem.message.replace(f"Record {problem.record} ", f"Record {record} ", 1)
    return problem.model_copy(update={"record": record, "message": message})


def _found(guesses: list[Guess]) -> dict[str, Any]:
    words = dict.fromkeys(word for guess in guesses for word in guess.nulls)
    signs = Counter(guess.decimal_sign for guess in guesses if guess.type.kind == "decimal")
    sign = "," if signs and signs[","] > signs["."] else "."
    return {"null_tokens": ["", *words], "decimal_sign": sign}


def _declared(column: PreviewColumn, guess: Guess, found: dict[str, Any]) -> dict[str, Any]:
    """A column as a task declares it, with signs of its own where its numbers are spelled in another way."""
    declared = _previewing.declared(column)
    if guess.type.kind != "decimal":
        return declared
    if guess.decimal_sign != found["decimal_sign"]:
        declared["decimal_sign"] = guess.decimal_sign
    return declared | ({"thousands_sign": guess.thousands_sign} if guess.thousands_sign else {})


def _of_words(names: list[str], guesses: list[Guess], values: Sequence[Any]) -> list[PreviewProblem]:
    """Texts that would be NULL because a word means that in a column of numbers: NA is Namibia, too."""
    words = pa.array(dict.fromkeys(word for guess in guesses for word in guess.nulls), pa.string())
    return [
        PreviewProblem(
            code="null_token_in_text",
            message=(
                f"Column {name[:80]!r} has texts that null_tokens make NULL. If they are values, declare"
                " the words only for the columns where they mean NULL."
            ),
            severity="warning",
            column=name,
        )
        for name, guess, array in zip(names, guesses, values, strict=True)
        if len(words) and guess.type.is_text and pc.any(pc.is_in(array, words)).as_py()
    ]


def _of_names(names: list[str], given: dict[str, Any]) -> list[PreviewProblem]:
    doubled = [name for name, times in Counter(names).items() if times > 1]
    twice = [
        PreviewProblem(
            code="header_duplicate",
            message=f"The header has {name!r} more than once: a run would refuse the file.",
            severity="error",
            column=name,
        )
        for name in doubled
    ]
    return [*twice, *_previewing.compared(given, names)]


def _distinct(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct

"""Look at the beginning of a JSON file: its layout, the keys of its records, the types of their values."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from services.etl.columns import TEXT, ColumnType
from services.etl.loaders import _csv_types, _json_reader, _previewing
from services.etl.loaders._base import Batch, Source, SourceFile
from services.etl.loaders._csv_types import Guess
from services.etl.loaders._files import MAX_COLUMNS
from services.etl.loaders._files_bytes import FileBytes
from services.etl.loaders._json_lines import Records
from services.etl.loaders._json_values import TooDeep, dump
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.loaders.json import Json
from services.etl.pipeline.errors import FileEmpty, SourceInvalid
from services.etl.pipeline.json_paths import MISSING, Number
from services.etl.previews.definition import PreviewProblem, PreviewResult, PreviewSpec

_MAX_NAME: Final = 255
_ODD: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, and halves of surrogate pairs."""


def preview(spec: PreviewSpec, source: Source) -> PreviewResult:
    """Complete the parameters that `spec` leaves open, and show the first records under them.

    Raises SourceInvalid where the file can't be read at all, ParamsInvalid for parameters that can't be.
    """
    file = source.files[0]
    given = _previewing.given(Json, spec.params)
    layout = given.get("layout") or ("array" if "records_path" in given else _layout(file, given))
    params = {"layout": layout} | given
    found, complete, problems = _first_records(file, params)
    names, left_out = _names(found.objects)
    values = [[record.get(name, MISSING) for record in found.objects] for name in names]
    guesses = [_guess(column) for column in values]
    texts = [pa.array([_text(value) for value in column], pa.string()) for column in values]
    columns = _previewing.columns(names, guesses, texts)
    return PreviewResult(
        params={"columns": [_previewing.declared(column) for column in columns]} | params,
        columns=columns,
        rows=_previewing.cells(texts, spec.rows),
        rows_read=len(found.objects) + len(found.apart) + found.blank,
        complete=complete,
        size=file.size,
        problems=[*_undeclared(params, names), *left_out, *_previewing.ambiguous(names, guesses), *problems][
            : _previewing.PROBLEMS
        ],
    )


def _layout(file: SourceFile, given: dict[str, Any]) -> str:
    """An array begins with a bracket, whatever blanks are before it."""
    content = _content(file, given)
    try:
        while (head := content.read(1 << 16)) and not head.strip():
            continue
    finally:
        content.close()
    if not head:
        raise FileEmpty
    return "array" if head.strip()[:1] == b"[" else "lines"


def _content(file: SourceFile, given: dict[str, Any]) -> Utf8Bytes:
    packed = FileBytes(file, given.get("compression", "auto"))
    return Utf8Bytes(packed, encoding=given.get("encoding", "utf-8"))


def _first_records(file: SourceFile, params: dict[str, Any]) -> tuple[Records, bool, list[PreviewProblem]]:
    loader = Json.of(_previewing.chosen({"columns": [{"name": "field", "type": "text"}]} | params))
    content = _content(file, params)
    problems: list[PreviewProblem] = []
    found, complete = Records(), False
    try:
        for block in _json_reader.records(loader, content):
            found.extend(block)
            if sum(map(len, found.texts.values())) >= _previewing.HEAD_BYTES:
                break
        else:
            complete = True
    except SourceInvalid as error:
        if not found.texts:
            raise
        problems.append(PreviewProblem(code=error.code(), message=str(error), severity="error"))
    finally:
        content.close()
    if not found.texts and not file.size:
        raise FileEmpty
    rejected, lines = [row for row, _ in found.apart], [line for _, line in found.apart]
    batch = Batch(None, None, None, 0, rejected=rejected, rejected_lines=lines)
    return found, complete, [*_previewing.problems_of(batch), *problems]


def _names(objects: Sequence[dict[str, Any]]) -> tuple[list[str], list[PreviewProblem]]:
    """The keys of all records as they first come, and what can't be the name of a column."""
    names = list(dict.fromkeys(key for record in objects for key in record))
    fit = [name for name in names if 0 < len(name) <= _MAX_NAME and not _ODD.search(name)][:MAX_COLUMNS]
    problems = [
        PreviewProblem(
            code="header_invalid",
            message=f"The key {_previewing.shortened(name, 80)!r} can't name a column: give it a path.",
            severity="warning",
        )
        for name in names
        if name not in fit
    ]
    return fit, problems


def _undeclared(params: dict[str, Any], names: list[str]) -> list[PreviewProblem]:
    """Keys that no column takes, nor anything below them."""
    if "columns" not in params:
        return []
    columns = Json.of(_previewing.chosen(params)).declared
    known = {column.place[0] for column in columns if column.place}
    return _previewing.undeclared(params, [name for name in names if name not in known])


def _guess(values: Sequence[Any]) -> Guess:
    """The type of the values of a key: what JSON says of them first, then how texts are spelled."""
    there = [value for value in values if value is not None and value is not MISSING]
    kinds = {type(value) for value in there}
    if not kinds:
        return Guess(TEXT, "no value was seen")
    if kinds & {dict, list}:
        return Guess(ColumnType("json"), f"{len(there)} values, objects or lists among them")
    if kinds == {bool}:
        return Guess(ColumnType("boolean"), f"{len(there)} times true or false")
    if kinds == {Number}:
        return _csv_types.guess(pa.array(there, pa.string()))
    if kinds == {str}:
        return _previewing.of_texts([_plain(text) for text in there])
    return Guess(TEXT, f"{len(there)} values of different kinds")


def _text(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    if isinstance(value, str):
        return _plain(value)
    try:
        return _plain(dump(value))
    except TooDeep:
        return "\u2026"


def _plain(text: str) -> str:
    """The text without halves of surrogate pairs, which can't be shown."""
    return text.encode(errors="replace").decode()

"""Look at the first page of an API: its form, where its records lie, and whether it tells of more."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal
from uuid import UUID

from services.etl.loaders import _csv_preview, _http_next, _json_preview
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._http_paging import Course, Page
from services.etl.loaders._http_reading import HttpReading, connection_of
from services.etl.loaders.http import Http
from services.etl.pipeline.errors import SourceInvalid
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.json_paths import loads
from services.etl.previews.definition import PreviewProblem, PreviewResult, PreviewSpec

_HEAD: Final = 1 << 16
_LOOKED_THROUGH: Final = 4 << 20
"""Bytes of an answer in which the array of records is looked for."""

_DEEPEST: Final = 4
_PLACEHOLDER: Final[dict[str, Any]] = {
    "resource_id": str(UUID(int=0)),
    "columns": [{"name": "column", "type": "text"}],
}
_SECONDS: Final = 15.0
_OF_COLUMNS: Final = frozenset({"columns", "cursor_column", "cursor_parameter", "cursor_start"})
"""Parameters that are about declared columns: they wait until those are known."""

_OF_JSON: Final = frozenset({"records_path", "columns", "missing", "extra_columns", "extra_column"})
_OF_CSV: Final = frozenset(
    {"encoding", "delimiter", "decimal_sign", "null_tokens", "columns", "extra_columns", "extra_column"}
)
_PLAIN_KEY: Final = re.compile(r'[^.\[\]"\x00$][^.\[\]"\x00]*')


def preview(spec: PreviewSpec, source: Source) -> PreviewResult:
    """Complete the parameters that `spec` leaves open, and show the first rows under them.

    Raises SourceInvalid, SourceBusy or ConnectFailed where the first page can't be had or read,
    ParamsInvalid for parameters that can't be.
    """
    given = dict(spec.params)
    asked = _first_asked(given)
    course = Course(asked, connection_of(source), cursor=asked.params.cursor_start)
    with HttpReading(asked, source) as reading:
        ask = course.first()
        page = reading.page(ask)
        form = given.get("format") or _form(page.file)
        found = _of_file(form, given, page.file, spec.rows)
        params = {"format": form, **_own(found.params), **given}
        loader = Http.of(_with_columns(params), loc=("params",))
        try:
            goes_on = course.after(ask, page, found.rows_read) is not None
            problems = [] if goes_on else _doubts(loader, page)
        except SourceInvalid as error:
            goes_on, problems = True, [_problem(error.code(), str(error), "error")]
    return found.model_copy(
        update={
            "params": params,
            "complete": found.complete and not goes_on and not problems,
            "problems": [*problems, *found.problems],
        }
    )


def _with_columns(params: dict[str, Any]) -> dict[str, Any]:
    """With columns also where no record could be read: what is asked of the loader is not about them."""
    if params.get("columns"):
        return _PLACEHOLDER | params
    return _PLACEHOLDER | {name: value for name, value in params.items() if name not in _OF_COLUMNS}


def _first_asked(given: dict[str, Any]) -> Http:
    """The loader with what is known already; it asks once, for little time."""
    bare = {name: value for name, value in given.items() if name not in _OF_COLUMNS}
    if "columns" in given:
        bare = given
    Http.of(_PLACEHOLDER | bare, loc=("params",))
    seconds = min(bare.get("timeout_seconds", _SECONDS), _SECONDS)
    return Http.of(_PLACEHOLDER | bare | {"attempts": 1, "timeout_seconds": seconds}, loc=("params",))


def _form(file: SourceFile) -> str:
    """What the answer is, by its beginning: objects on several lines each are JSON Lines."""
    with file.path.open("rb") as content:
        head = content.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] not in {b"[", b"{"}:
        return "csv" if head else "json"
    first, _, rest = head.partition(b"\n")
    if first.rstrip()[-1:] == b"}" and rest.lstrip()[:1] == b"{" and _is_json(first):
        return "json_lines"
    return "json"


def _is_json(line: bytes) -> bool:
    try:
        loads(line.decode())
    except ValueError:
        return False
    return True


def _of_file(form: str, given: dict[str, Any], file: SourceFile, rows: int) -> PreviewResult:
    """The page as the loader of its form shows a file."""
    source, given = Source((file,)), {"extra_columns": "ignore"} | given
    if form == "csv":
        fixed = {"quote": '"', "escape": None, "header": True, "compression": "auto"}
        params = fixed | {name: value for name, value in given.items() if name in _OF_CSV}
        return _csv_preview.preview(_spec("csv", params, rows), file)
    params = {name: value for name, value in given.items() if name in _OF_JSON}
    params["layout"] = "lines" if form == "json_lines" else "array"
    if form == "json" and "records_path" not in params and (path := _records_path(file)) is not None:
        params["records_path"] = path
    return _json_preview.preview(_spec("json", params, rows), source)


def _spec(loader: str, params: dict[str, Any], rows: int) -> PreviewSpec:
    return PreviewSpec(source=JobSource(loader=loader, params=params), rows=rows)


def _records_path(file: SourceFile) -> str | None:
    """Where the longest list of objects lies; None where the answer is the list, or none was found."""
    if file.size > _LOOKED_THROUGH:
        return None
    try:
        tree = loads(file.path.read_bytes().decode("utf-8-sig"))
    except ValueError:
        return None
    lists = dict(_lists(tree, ()))
    if not lists or () in lists:
        return None
    longest = max(lists, key=lambda path: lists[path])
    return ".".join(key if _PLAIN_KEY.fullmatch(key) else json.dumps(key) for key in longest)


def _lists(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """The lists of nothing but objects outside of other lists, with their lengths."""
    if isinstance(tree, list) and all(isinstance(value, dict) for value in tree):
        yield path, len(tree)
    if isinstance(tree, dict) and len(path) < _DEEPEST:
        for key, value in tree.items():
            yield from _lists(value, (*path, key))


def _own(found: dict[str, Any]) -> dict[str, Any]:
    """Of the parameters for a file those that are ours, too, and were found."""
    ours = Http.Params.model_fields.keys() - {"extra_columns"}
    return {name: value for name, value in found.items() if name in ours}


def _doubts(loader: Http, page: Page) -> list[PreviewProblem]:
    """Where no page follows: what a person should know of that."""
    if loader.params.next_path is not None:
        sentence = "Nothing lies at next_path: this is the last page, or the path is wrong."
        return [_problem("next_page_missing", sentence, "warning")]
    if loader.params.paging == "none" and _http_next.next_link(page.links) is not None:
        sentence = "The Link header names a next page: with paging by link it is read as well."
        return [_problem("page_left_out", sentence, "warning")]
    return []


def _problem(code: str, sentence: str, severity: Literal["error", "warning"]) -> PreviewProblem:
    return PreviewProblem(code=code, message=sentence, severity=severity)

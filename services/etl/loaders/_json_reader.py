"""Reading JSON files: records in blocks, their values as text, cast to the declared types."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa

from services.etl.loaders import _json_array, _json_lines
from services.etl.loaders._base import Batch, Reading, SourceFile
from services.etl.loaders._cells import Cells, batch_of, from_clean_text
from services.etl.loaders._files import FileColumn
from services.etl.loaders._files_bytes import FileBytes
from services.etl.loaders._files_errors import KeyUndeclared
from services.etl.loaders._json_lines import Records
from services.etl.loaders._json_undeclared import Undeclared
from services.etl.loaders._json_values import TooDeep, dump
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.loaders.json import Json, JsonColumn
from services.etl.pipeline.casting import BadCell, Cast
from services.etl.pipeline.json_paths import MISSING, Number, found

_PLAIN = frozenset({str, Number, type(None)})


class JsonReading(Reading):
    """An open JSON file. Iterate once; leaving the context closes the file."""

    def __init__(self, loader: Json, file: SourceFile) -> None:
        self._loader = loader
        self._file = file
        self._undeclared = Undeclared(column.place for column in loader.declared)
        self._known = {str(column.place[0]) for column in loader.declared if column.place}

    @property
    def bytes_read(self) -> int:
        return self._content.bytes_read

    def __enter__(self) -> Self:
        params = self._loader.params
        self._content = Utf8Bytes(FileBytes(self._file, params.compression), encoding=params.encoding)
        return self

    def close(self) -> None:
        self._content.close()

    def __iter__(self) -> Iterator[Batch]:
        for block in records(self._loader, self._content):
            yield self._typed(block)
        self._content.check_whole()

    def _typed(self, block: Records) -> Batch:
        if self._loader.params.extra_columns == "fail":
            self._check_keys(block)
        casts = [self._cast(column, block.objects) for column in self._loader.declared]
        if self._loader.params.extra_column is not None:
            casts.append(self._collected(block.objects))
        cells = Cells(casts, np.array(block.numbers, np.int64), np.array(block.lines, np.int64))
        return batch_of(
            self._loader,
            cells,
            apart=block.apart,
            filtered=block.blank,
            raw=lambda records: [block.texts.get(record) for record in records],
        )

    def _check_keys(self, block: Records) -> None:
        for number, line, record in zip(block.numbers, block.lines, block.objects, strict=True):
            if not record.keys() <= self._known:
                key = next(key for key in record if key not in self._known)
                raise KeyUndeclared(record=number, line=line, key=key[:80])

    def _cast(self, column: JsonColumn, objects: Sequence[dict[str, Any]]) -> Cast:
        place = column.place
        if len(place) == 1 and isinstance(place[0], str):
            values = [record.get(place[0], MISSING) for record in objects]
        else:
            values = [found(place, record) for record in objects]
        return self._as_text(column, values)

    def _as_text(self, column: FileColumn, values: list[Any]) -> Cast:
        texts, bad = self._texts(column, values)
        array, unpaired = _strings(texts)
        cast = from_clean_text(array, column, self._loader.form_of(column))
        cast.bad = sorted([*bad, *unpaired, *cast.bad], key=lambda cell: cell.row)
        return cast

    def _collected(self, objects: Sequence[dict[str, Any]]) -> Cast:
        column = self._loader.columns_read[-1]
        return self._as_text(column, [self._undeclared.of(record) for record in objects])

    def _texts(self, column: FileColumn, values: list[Any]) -> tuple[list[str | None], list[BadCell]]:
        """The values as text, and those that can't be."""
        as_json = column.type.kind == "json"
        if not as_json and set(map(type, values)) <= _PLAIN:
            return values, []
        texts, bad = list[str | None](), list[BadCell]()
        for row, value in enumerate(values):
            text, fault = _text(value, as_json=as_json)
            if value is MISSING and self._loader.params.missing == "reject":
                fault = ("key_missing", "is not there: the record lacks it")
            if fault is not None:
                bad.append(BadCell(row, None if value is MISSING else _shown(value), *fault))
                text = None
            texts.append(text)
        return texts, bad


def records(loader: Json, content: Utf8Bytes) -> Iterator[Records]:
    """The records of a file, as its layout is declared."""
    params = loader.params
    if params.layout == "lines":
        return _json_lines.records(content)
    return _json_array.records(content, loader.array_place)


def _text(value: Any, *, as_json: bool) -> tuple[str | None, tuple[str, str] | None]:
    """A value as text, or why it has none."""
    if value is None or value is MISSING:
        return None, None
    if as_json:
        try:
            return dump(value), None
        except TooDeep:
            return None, ("too_deep", "has too many objects and lists inside each other")
    if isinstance(value, bool):
        return str(value).lower(), None
    if isinstance(value, str):
        return value, None
    return None, ("nested_value", "is an object or a list: the column is to be json, or a path into it")


def _shown(value: Any) -> str | None:
    try:
        return dump(value)[:200]
    except TooDeep:
        return None


def _strings(texts: list[str | None]) -> tuple[Any, list[BadCell]]:
    """The texts as an Arrow array, and those with half a surrogate pair, which no UTF-8 has."""
    try:
        return pa.array(texts, pa.string()), []
    except UnicodeEncodeError:
        pass
    bad = []
    for row, text in enumerate(texts):
        if text is not None and not _is_unicode(text):
            shown = text.encode(errors="replace").decode()
            bad.append(BadCell(row, shown, "invalid_encoding", "holds half of a surrogate pair"))
            texts[row] = None
    return pa.array(texts, pa.string()), bad


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

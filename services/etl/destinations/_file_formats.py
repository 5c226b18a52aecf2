"""Rows as the bytes of a file, with exact values: Parquet, CSV, JSON Lines."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline import column_bytes
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import decimal_text, moment_text, rows_where, uuid_bytes
from services.etl.pipeline.definition import FileForm, FileFormat

_GROUP_BYTES: Final = 32 << 20
"""A row group of Parquet is written when so many bytes of rows have come: groups of a few rows pack badly."""

_QUOTED: Final = frozenset({"text", "varchar", "json", "uuid", "bytes"})
"""Kinds with values that are empty as text, or hold signs of the format."""


class Writer(ABC):
    """Writes batches of the columns to a sink that takes bytes in their order."""

    @abstractmethod
    def write(self, batch: Any) -> None:
        """Some rows, as a `pyarrow.RecordBatch`."""

    @abstractmethod
    def finish(self) -> None:
        """The end of the file."""


def writer_for(form: FileForm, columns: Columns, sink: io.RawIOBase) -> Writer:
    """The writer of a format. The sink stays open."""
    return _WRITERS[form.format](form, columns, sink)


class _Parquet(Writer):
    """Apache Parquet, format version 2.6: microseconds, exact decimals, JSON and UUIDs marked as such."""

    def __init__(self, form: FileForm, columns: Columns, sink: io.RawIOBase) -> None:
        self._schema = pa.schema([pa.field(column.name, _stored_type(column.type)) for column in columns])
        self._writer = pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"), self._schema, compression=form.compression, version="2.6"
        )
        self._waiting: list[Any] = []
        self._bytes = 0

    def write(self, batch: Any) -> None:
        pairs = zip(batch.columns, self._schema, strict=True)
        arrays = [_stored(array, field.type) for array, field in pairs]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._bytes += batch.nbytes
        if self._bytes >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._writer.write_table(table, row_group_size=max(1, len(table)))
        self._waiting, self._bytes = [], 0


def _stored_type(kind: ColumnType) -> Any:
    if kind.kind == "json":
        return pa.json_()
    return pa.uuid() if kind.kind == "uuid" else arrow_type(kind)


def _stored(array: Any, wanted: Any) -> Any:
    if wanted == array.type:
        return array
    storage = uuid_bytes(array) if wanted == pa.uuid() else array
    return pa.ExtensionArray.from_storage(wanted, storage)


class _Lines(Writer):
    """Text in UTF-8, one record for each row, packed on the way."""

    def __init__(self, form: FileForm, columns: Columns, sink: io.RawIOBase) -> None:
        self._form = form
        self._columns = columns
        self._stream: Any = pa.PythonFile(sink, mode="w")
        if form.compression != "none":
            self._stream = pa.CompressedOutputStream(self._stream, form.compression)
        self._stream.write(self._heading().encode())

    def write(self, batch: Any) -> None:
        if len(batch):
            self._stream.write(column_bytes.content(self._lines(batch)))

    def finish(self) -> None:
        if self._form.compression != "none":
            self._stream.close()
        else:
            self._stream.flush()

    def _heading(self) -> str:
        return ""

    @abstractmethod
    def _lines(self, batch: Any) -> Any:
        """The rows as an array of texts, each with its line's end."""


class _Csv(_Lines):
    """CSV (RFC 4180): every text is in quotes, bytes too, and so not what stands for NULL."""

    def _heading(self) -> str:
        if not self._form.header:
            return ""
        names = ['"' + name.replace('"', '""') + '"' for name in self._columns.names]
        return self._form.delimiter.join(names) + self._end

    def _lines(self, batch: Any) -> Any:
        pairs = zip(batch.columns, self._columns, strict=True)
        cells = [_csv_cells(array, column) for array, column in pairs]
        joined = pc.binary_join_element_wise(
            *cells,
            pa.scalar(self._form.delimiter),
            null_handling="replace",
            null_replacement=self._form.null_token,
        )
        return pc.binary_join_element_wise(joined, pa.scalar(""), pa.scalar(self._end))

    @property
    def _end(self) -> str:
        return "\r\n" if self._form.line_end == "crlf" else "\n"


_DOUBLED: Final = (('"', '""'),)


def _csv_cells(array: Any, column: Column) -> Any:
    text = _plain(array)
    if column.type.kind not in _QUOTED:
        return text
    return _quoted(column_bytes.replaced(text, _DOUBLED))


class _JsonLines(_Lines):
    """One JSON object on each line: numbers with all their digits, and what JSON lacks as text."""

    def _lines(self, batch: Any) -> Any:
        parts: list[Any] = []
        for at, (array, column) in enumerate(zip(batch.columns, self._columns, strict=True)):
            opening = "," if at else "{"
            name = orjson.dumps(column.name).decode()
            parts += [pa.scalar(f"{opening}{name}:"), _json_cells(array, column)]
        return pc.binary_join_element_wise(*parts, pa.scalar("}\n"), pa.scalar(""))


_LINE_ENDS: Final = (("\n", " "), ("\r", " "))


def _json_cells(array: Any, column: Column) -> Any:
    kind, text = column.type, _plain(array)
    if kind.kind == "json":
        # Line ends stand between its values: in them they are escaped.
        text = column_bytes.replaced(text, _LINE_ENDS)
    elif kind.is_text:
        text = _quoted(_json_text(text))
    elif not kind.is_number and kind.kind != "boolean":
        text = _quoted(text)
    return pc.fill_null(text, "null")


_ESCAPES: Final = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_CONTROL: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def _json_text(array: Any) -> Any:
    """Texts as JSON spells them, without their quotes (RFC 8259, 7)."""
    rare = rows_where(pc.match_substring_regex(array, _CONTROL))
    if rare:
        spelled = [None if text is None else orjson.dumps(text).decode()[1:-1] for text in array.to_pylist()]
        return pa.array(spelled, pa.string())
    return column_bytes.replaced(array, _ESCAPES)


def _plain(array: Any) -> Any:
    """Values as text: what the loaders read without being told a format."""
    kind = array.type
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.string())
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return moment_text(array)
    return array if pa.types.is_string(kind) else pc.cast(array, pa.string())


def _quoted(array: Any) -> Any:
    return pc.binary_join_element_wise(pa.scalar('"'), array, pa.scalar('"'), pa.scalar(""))


_WRITERS: Final[Mapping[FileFormat, Callable[[FileForm, Columns, io.RawIOBase], Writer]]] = {
    "parquet": _Parquet,
    "csv": _Csv,
    "json_lines": _JsonLines,
}

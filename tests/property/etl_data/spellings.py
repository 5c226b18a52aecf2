"""Typed rows and the many ways in which files spell them."""

import bz2
import datetime as dt
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from io import BytesIO
from typing import Any, Final, Literal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.pipeline.arrow_types import arrow_type

TYPES: Final[Mapping[str, str]] = {
    "id": "int64",
    "text": "text",
    "short": "varchar(12)",
    "flag": "boolean",
    "small": "int16",
    "middle": "int32",
    "money": "decimal(20,4)",
    "tiny": "decimal(38,12)",
    "number": "float64",
    "single": "float32",
    "day": "date",
    "clock": "time",
    "local": "timestamp",
    "moment": "timestamptz",
    "tree": "json",
    "uid": "uuid",
    "raw": "bytes",
}
EXACT: Final = Context(prec=60)
Row = Mapping[str, Any]

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(
    dt.datetime(2, 1, 1),  # noqa: DTZ001  wall clock times are meant
    dt.datetime(9998, 12, 31),  # noqa: DTZ001  wall clock times are meant
)
offsets = st.sampled_from([0, 60, 330, -300, 825, -720]).map(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))
)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """All decimals of a type."""
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda digits: Decimal(digits).scaleb(-scale, EXACT))


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
VALUES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "text": texts,
    "short": texts,
    "flag": st.booleans(),
    "small": st.integers(-(2**15), 2**15 - 1),
    "middle": st.integers(-(2**31), 2**31 - 1),
    "money": decimals(20, 4),
    "tiny": decimals(38, 12),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "single": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "day": st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)),
    "clock": st.times(),
    "local": moments,
    "moment": st.builds(lambda moment, zone: moment.replace(tzinfo=zone), moments, offsets),
    "tree": trees.filter(lambda tree: tree is not None).map(
        lambda tree: json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    ),
    "uid": st.uuids(),
    "raw": st.binary(max_size=12),
}
rows_of_values = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=12
)


@dataclass(frozen=True)
class Written:
    """Files, and how a loader is to read them."""

    files: list[bytes]
    loader: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Csv:
    """A way to write CSV."""

    delimiter: str
    quote: str
    escape: bool
    newline: str
    encoding: str
    mark: bool
    header: bool
    quotes: Literal["all", "needed"]
    null: str
    signs: tuple[str, str]
    dates: str | None
    local_zone: bool
    lines: Literal["single", "multi"]
    packed: str
    parts: int

    def write(self, rows: Sequence[Row]) -> Written:
        """The rows, numbered, in files of about equal length."""
        numbered = [{"id": at, **row} for at, row in enumerate(rows)]
        parts = parted(numbered, self.parts)
        header = self.header or not all(parts)  # a file is to have a header or a record
        files = [self._file(part, header=header) for part in parts]
        extra: dict[str, dict[str, Any]] = {"day": {"format": self.dates} if self.dates else {}}
        extra["moment"] = {"timezone": "Etc/GMT-5"} if self.local_zone else {}
        single = {"multi_line": False, "comment": "#", "skip_rows": 1} if self.lines == "single" else {}
        columns = [{"name": name, "type": kind} | extra.get(name, {}) for name, kind in TYPES.items()]
        params = {
            "delimiter": self.delimiter, "quote": self.quote, "escape": "\\" if self.escape else None,
            "encoding": self.encoding, "header": header, "null_tokens": [self.null],
            "decimal_sign": self.signs[0], "thousands_sign": self.signs[1], "columns": columns, **single,
        }  # fmt: skip
        return Written([packed(self.packed, file) for file in files], "csv", params)

    def _file(self, rows: Sequence[Row], *, header: bool) -> bytes:
        lines = ['a "title'] if self.lines == "single" else []
        if header:
            lines.append(self.delimiter.join(self._cell(name) for name in TYPES))
        for row in rows:
            lines.append(self.delimiter.join(self._value(name, row[name]) for name in TYPES))
            if self.lines == "single":
                lines.append(f'# a comment {self.quote}{self.delimiter}"')
        content = "".join(line + self.newline for line in lines).encode(self.encoding)
        return (b"\xef\xbb\xbf" if self.mark and self.encoding == "utf-8" else b"") + content

    def _value(self, name: str, value: Any) -> str:
        if value is None:
            return self.null
        if name == "day" and self.dates:
            return self._cell(f"{value.day:02}.{value.month:02}.{value.year:04}")
        if name == "moment" and self.local_zone:
            local = value.astimezone(dt.timezone(dt.timedelta(hours=5)))
            return self._cell(str(local.replace(tzinfo=None)))
        if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
            return self._cell(self._number(spelled(value)))
        return self._cell(spelled(value))

    def _number(self, text: str) -> str:
        decimal, thousands = self.signs
        whole, point, part = text.partition(".")
        if thousands and whole.lstrip("-").isdecimal():
            sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
            whole = sign + f"{int(digits):,}".replace(",", thousands)
        return whole + (decimal if point else "") + part

    def _cell(self, text: str) -> str:
        special = {self.delimiter, self.quote, "\n", "\r", "#"} | ({"\\"} if self.escape else set())
        if self.quotes == "needed" and text and text != self.null and not special & set(text):
            return text
        if self.escape:
            inner = text.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote)
        else:
            inner = text.replace(self.quote, self.quote * 2)
        return f"{self.quote}{inner}{self.quote}"


@dataclass(frozen=True)
class Json:
    """A way to write JSON."""

    layout: Literal["lines", "array"]
    ascii_only: bool
    lacking: bool
    packed: str
    parts: int

    def write(self, rows: Sequence[Row]) -> Written:
        """The rows, numbered, in files of about equal length."""
        numbered = [{"id": at, **row} for at, row in enumerate(rows)]
        files = [self._file(part) for part in parted(numbered, self.parts)]
        columns = [{"name": name, "type": kind} for name, kind in TYPES.items()]
        params = {"layout": self.layout, "columns": columns}
        return Written([packed(self.packed, file) for file in files], "json", params)

    def _file(self, rows: Sequence[Row]) -> bytes:
        objects = [self._object(row) for row in rows]
        text = "\n".join(objects) if self.layout == "lines" else "[" + " ,\n ".join(objects) + "]"
        return (text + "\n").encode()

    def _object(self, row: Row) -> str:
        there = [(name, row[name]) for name in TYPES if not (self.lacking and row[name] is None)]
        return "{" + ",".join(f'"{name}": {self._value(name, value)}' for name, value in there) + "}"

    def _value(self, name: str, value: Any) -> str:
        if value is None:
            return "null"
        if name == "tree" or isinstance(value, bool | int | float | Decimal):
            return spelled(value)
        return json.dumps(spelled(value), ensure_ascii=self.ascii_only)


@dataclass(frozen=True)
class Parquet:
    """A way to write Parquet."""

    group: int
    codec: str
    parts: int

    def write(self, rows: Sequence[Row]) -> Written:
        """The rows, numbered, in files of about equal length."""
        numbered = [{"id": at, **row} for at, row in enumerate(rows)]
        columns = [{"name": name, "type": kind} for name, kind in TYPES.items()]
        files = [self._file(part) for part in parted(numbered, self.parts)]
        return Written(files, "parquet", {"columns": columns})

    def _file(self, rows: Sequence[Row]) -> bytes:
        arrays = {}
        for name, kind in TYPES.items():
            values = [str(row[name]) if isinstance(row[name], UUID) else row[name] for row in rows]
            arrays[name] = pa.array(values, arrow_type(ColumnType.parse(kind)))
        target = BytesIO()
        pq.write_table(pa.table(arrays), target, row_group_size=self.group, compression=self.codec)
        return target.getvalue()


def spelled(value: Any) -> str:
    """A value as a file spells it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def parted(rows: Sequence[Row], parts: int) -> list[Sequence[Row]]:
    """The rows in so many parts, some of them perhaps empty."""
    size = -(-len(rows) // parts) or 1
    return [rows[at * size : (at + 1) * size] for at in range(parts)]


def packed(codec: str, content: bytes) -> bytes:
    """The content as a file of this kind."""
    if codec in {"zstd", "gzip"}:
        return gzip.compress(content) if codec == "gzip" else pa.compress(content, codec, asbytes=True)
    return bz2.compress(content) if codec == "bz2" else content


def without_line_ends(row: Row) -> dict[str, Any]:
    """The row, with blanks for the line ends in its texts."""
    return {
        name: value.replace("\n", " ").replace("\r", " ") if isinstance(value, str) else value
        for name, value in row.items()
    }


codecs = st.sampled_from(["none", "none", "gzip", "zstd", "bz2"])
parts = st.integers(1, 3)
csv_forms = st.builds(
    Csv,
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    escape=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-16-be", "gb18030"]),
    mark=st.booleans(),
    header=st.booleans(),
    quotes=st.sampled_from(["all", "needed"]),
    null=st.sampled_from(["", "NA", "-"]),
    signs=st.sampled_from([(".", ""), (",", "."), (",", " "), (".", "'")]),
    dates=st.sampled_from([None, "%d.%m.%Y"]),
    local_zone=st.booleans(),
    lines=st.sampled_from(["single", "multi"]),
    packed=codecs,
    parts=parts,
)
json_forms = st.builds(
    Json,
    layout=st.sampled_from(["lines", "array"]),
    ascii_only=st.booleans(),
    lacking=st.booleans(),
    packed=codecs,
    parts=parts,
)
parquet_forms = st.builds(
    Parquet, group=st.integers(1, 8), codec=st.sampled_from(["none", "snappy", "zstd"]), parts=parts
)
forms = csv_forms | csv_forms | json_forms | parquet_forms
"""Ways in which files spell rows; CSV has the most."""

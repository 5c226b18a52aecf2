"""Encoders for PostgreSQL's COPY: binary by pgpq where every column allows it, text for everything else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import pgpq
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline import column_bytes
from services.etl.pipeline.casting import decimal_text, moment_text, uuid_bytes
from services.etl.pipeline.errors import TargetRefused, TargetUnfit


@dataclass(frozen=True, slots=True)
class PhysicalColumn:
    """A column as the target has it: its type in pg_type, whether that is built in, its modifier.

    `longest` and `scale` bound the characters of its texts and the digits after its numbers' points, also
    where a domain does: what is longer the server cuts or rounds without a word.
    """

    name: str
    type_name: str
    built_in: bool
    modifier: int
    longest: int | None = None
    scale: int | None = None


_NUMERIC_HEADER: Final = 4
_BINARY: Final[Mapping[str, Any]] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "text": pa.string(),
    "varchar": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "jsonb": pa.string(),
}
"""Types whose binary form is the value itself. Binary COPY is blind to types: each column is cast to exactly
the type that the target has before it is encoded."""


class Encoder(ABC):
    """Arrow batches to what COPY FROM STDIN takes."""

    format: str

    @abstractmethod
    def header(self) -> bytes:
        """What comes before the rows."""

    @abstractmethod
    def encode(self, batch: Any) -> bytes:
        """Some rows."""

    @abstractmethod
    def trailer(self) -> bytes:
        """What comes after the rows."""


def encoder_for(columns: Sequence[PhysicalColumn], schema: Any) -> Encoder:
    """The fastest encoder that is exact for these columns. `schema` is that of the batches."""
    if all(_in_binary(column, schema.field(column.name).type) for column in columns):
        return BinaryEncoder(columns, schema)
    return TextEncoder(columns)


def _in_binary(column: PhysicalColumn, given: Any) -> bool:
    if not column.built_in:
        return False
    if column.type_name == "numeric":
        from_digits = pa.types.is_decimal128(given) or pa.types.is_integer(given)
        return bool(from_digits and (column.scale or 0) >= 0)
    if column.type_name == "uuid":
        return bool(pa.types.is_string(given))
    return column.type_name in _BINARY


class BinaryEncoder(Encoder):
    """PostgreSQL's binary COPY format (manual, COPY, "Binary Format")."""

    format = "binary"

    def __init__(self, columns: Sequence[PhysicalColumn], schema: Any) -> None:
        self._columns = columns
        self._types = [_wire_type(column, schema.field(column.name).type) for column in columns]
        self._schema = pa.schema(
            [pa.field(column.name, kind) for column, kind in zip(columns, self._types, strict=True)]
        )
        self._encoder = pgpq.ArrowToPostgresBinaryEncoder(self._schema)
        self._header = bytes(self._encoder.write_header())  # now: rows may be encoded before it is sent

    def header(self) -> bytes:
        return self._header

    def encode(self, batch: Any) -> bytes:
        arrays = [
            _to_wire(batch.column(column.name), column, kind)
            for column, kind in zip(self._columns, self._types, strict=True)
        ]
        return bytes(self._encoder.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema)))

    def trailer(self) -> bytes:
        return bytes(self._encoder.finish())


def _wire_type(column: PhysicalColumn, given: Any) -> Any:
    if column.type_name == "uuid":
        return pa.binary()
    if column.type_name != "numeric":
        return _BINARY[column.type_name]
    if column.modifier < 0:
        return given if pa.types.is_decimal(given) else pa.decimal128(38, 0)
    declared = column.modifier - _NUMERIC_HEADER
    return pa.decimal128(min((declared >> 16) & 0xFFFF, 38), declared & 0x7FF)


def _to_wire(array: Any, column: PhysicalColumn, wanted: Any) -> Any:
    if column.type_name == "uuid":
        return pc.cast(uuid_bytes(array), wanted)
    if column.type_name == "jsonb":  # jsonb_recv wants the version of its format before the text
        return pc.binary_join_element_wise(pa.scalar("\x01"), array, "")
    _check_length(array, column)
    return _as_number(array, column, wanted)


def _as_number(array: Any, column: PhysicalColumn, wanted: Any) -> Any:
    """The same values in another type. Raises TargetUnfit where that can't hold them exactly."""
    if array.type == wanted:
        return array
    try:
        if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
            array = pc.cast(array, pa.decimal128(38, wanted.scale))
        return pc.cast(array, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise TargetUnfit(
            reason=f"its column {column.name!r} is {column.type_name}, which can't hold the values"
        ) from None


def _check_length(array: Any, column: PhysicalColumn) -> None:
    bounded = column.longest is not None and pa.types.is_string(array.type)
    if bounded and pc.any(pc.greater(pc.utf8_length(array), column.longest)).as_py():
        raise TargetRefused(reason=f"a value is too long, column {column.name}")


class TextEncoder(Encoder):
    """PostgreSQL's text COPY format (manual, COPY, "Text Format"): exact for every type, half as fast."""

    format = "text"

    def __init__(self, columns: Sequence[PhysicalColumn]) -> None:
        self._columns = columns

    def header(self) -> bytes:
        return b""

    def encode(self, batch: Any) -> bytes:
        if not len(batch):
            return b""
        cells = [_text(_fitting(batch.column(column.name), column)) for column in self._columns]
        lines = pc.binary_join_element_wise(
            *cells, pa.scalar("\t"), null_handling="replace", null_replacement="\\N"
        )
        ended = pc.binary_join_element_wise(lines, pa.scalar(""), pa.scalar("\n"))
        return column_bytes.content(ended).tobytes()

    def trailer(self) -> bytes:
        return b""


_IN_NUMBERS: Final = frozenset({"int2", "int4", "int8", "float4", "float8"})
_WIDEST: Final = 76
_DOUBTFUL: Final = r"[.eE]"
_ESCAPES: Final = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))


def _fitting(array: Any, column: PhysicalColumn) -> Any:
    """The values in a type that the column keeps as it is: as text the server would round or cut them."""
    kind = array.type
    if pa.types.is_string(kind):
        _check_length(array, column)
        if column.scale is not None:
            _check_digits(array, column)
    elif column.built_in and column.type_name in _IN_NUMBERS:
        return _as_number(array, column, _BINARY[column.type_name])
    elif column.scale is not None and column.scale < _digits_after_point(kind):
        _as_number(array, column, pa.decimal256(_WIDEST, column.scale))
    return array


def _digits_after_point(kind: Any) -> int:
    return kind.scale if pa.types.is_decimal(kind) else 0


def _check_digits(array: Any, column: PhysicalColumn) -> None:
    doubtful = array.filter(pc.match_substring_regex(array, _DOUBTFUL)) if (column.scale or 0) >= 0 else array
    for text in doubtful.to_pylist():
        if text is not None and not _has_digits(text, column.scale or 0):
            raise TargetRefused(reason=f"a value has more digits than fit, column {column.name}")


def _has_digits(text: str, scale: int) -> bool:
    """Whether a text is a number with so many digits after the point, or none: that the server will say."""
    try:
        _, digits, exponent = Decimal(text.strip()).as_tuple()
    except InvalidOperation:
        return True
    significant = "".join(map(str, digits)).rstrip("0")
    return (
        not isinstance(exponent, int)
        or not significant
        or (-exponent - (len(digits) - len(significant)) <= scale)
    )


def _text(array: Any) -> Any:
    kind = array.type
    if pa.types.is_string(kind):
        return column_bytes.replaced(array, _ESCAPES)
    if pa.types.is_binary(kind):
        texts = [None if value is None else f"\\\\x{value.hex()}" for value in array.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return moment_text(array)
    return pc.cast(array, pa.string())

"""What the types of a Parquet file are here, and their values as columns of those types."""

import base64
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import MAX_PRECISION, TEXT, ColumnType
from services.etl.loaders._cells import from_clean_text
from services.etl.loaders._files import FileColumn
from services.etl.pipeline.casting import BadCell, Cast, between, display, isolate
from services.etl.pipeline.conversions import can_cast, needs_timezone
from services.etl.pipeline.errors import HeaderChanged
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import Number, dumps

_UUID_BYTES: Final = 16


def is_text(kind: Any) -> bool:
    """Whether values of an Arrow type are texts."""
    return any(
        matches(kind) for matches in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _is_bytes(kind: Any) -> bool:
    plain = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(matches(kind) for matches in (*plain, pa.types.is_fixed_size_binary))


_PLAIN: Final[Sequence[tuple[Callable[[Any], bool], ColumnType]]] = (
    (pa.types.is_null, TEXT),
    (pa.types.is_boolean, ColumnType("boolean")),
    (lambda kind: kind in {pa.int8(), pa.uint8(), pa.int16()}, ColumnType("int16")),
    (lambda kind: kind in {pa.uint16(), pa.int32()}, ColumnType("int32")),
    (lambda kind: kind in {pa.uint32(), pa.int64()}, ColumnType("int64")),
    (pa.types.is_uint64, ColumnType("decimal", precision=20, scale=0)),
    (lambda kind: kind in {pa.float16(), pa.float32()}, ColumnType("float32")),
    (pa.types.is_float64, ColumnType("float64")),
    (is_text, TEXT),
    (_is_bytes, ColumnType("bytes")),
    (pa.types.is_date, ColumnType("date")),
    (pa.types.is_time, ColumnType("time")),
    (lambda kind: pa.types.is_timestamp(kind) and bool(kind.tz), ColumnType("timestamptz")),
    (pa.types.is_timestamp, ColumnType("timestamp")),
    (pa.types.is_nested, ColumnType("json")),
)


def kind_of(given: Any) -> ColumnType | None:
    """The type that holds all values of an Arrow type; None where there is none, as for durations."""
    if pa.types.is_dictionary(given):
        return kind_of(given.value_type)
    if isinstance(given, pa.BaseExtensionType):
        return _EXTENSIONS.get(given.extension_name) or kind_of(given.storage_type)
    if pa.types.is_decimal(given):
        precision, scale = max(given.precision, given.precision - given.scale), max(given.scale, 0)
        fits = precision <= MAX_PRECISION
        return ColumnType("decimal", precision=precision, scale=scale) if fits else None
    return next((kind for matches, kind in _PLAIN if matches(given)), None)


_EXTENSIONS: Final[Mapping[str, ColumnType]] = {
    "arrow.uuid": ColumnType("uuid"),
    "arrow.json": ColumnType("json"),
}


def check(column: FileColumn, given: Any) -> None:
    """Raises HeaderChanged unless a column of this Arrow type can be read as it is declared."""
    kind, wanted = kind_of(given), column.type
    bytes_as = wanted.is_text or (wanted.kind == "uuid" and _width(given) == _UUID_BYTES)
    if kind is None or not (can_cast(kind, wanted) or (kind.kind == "bytes" and bytes_as)):
        raise HeaderChanged(reason=f"column {column.name!r} is {given}, which can't be read as {wanted}")
    if needs_timezone(kind, wanted) and column.timezone is None:
        reason = f"column {column.name!r} has times without a zone: declare their timezone"
        raise HeaderChanged(reason=reason)


def cast(array: Any, column: FileColumn, form: TextForm) -> Cast:
    """The values of a column as the declared type, with those apart that don't fit exactly."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_nested(array.type):
        texts, bad = _json(array)
        return _with(from_clean_text(texts, column, form), bad)
    if _is_bytes(array.type) and column.type.kind != "bytes":
        texts, bad = _uuids(array) if column.type.kind == "uuid" else _decoded(array)
        return _with(from_clean_text(texts, column, form), bad)
    if is_text(array.type) or pa.types.is_null(array.type):
        return from_clean_text(pc.cast(array, pa.string()), column, form)
    return between(array, column.type, timezone=column.timezone)


def _with(cast: Cast, bad: list[BadCell]) -> Cast:
    cast.bad = sorted([*bad, *cast.bad], key=lambda cell: cell.row)
    return cast


def _width(kind: Any) -> int | None:
    stored = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return stored.byte_width if pa.types.is_fixed_size_binary(stored) else None


def _decoded(array: Any) -> tuple[Any, list[BadCell]]:
    """Bytes as text: older writers don't mark their texts as such."""
    plain = pc.cast(array, pa.binary())
    texts, bad = isolate(lambda part: pc.cast(part, pa.string()), plain)
    return texts, [
        BadCell(row, plain[row].as_py().decode(errors="replace"), "invalid_encoding", "is not UTF-8")
        for row in bad
    ]


def _uuids(array: Any) -> tuple[Any, list[BadCell]]:
    spelled = [None if value is None else _dashed(value.hex()) for value in array.to_pylist()]
    return pa.array(spelled, pa.string()), []


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Unspeakable(ValueError):
    """JSON has no such value."""


BEYOND: Final = "holds a time beyond the years 1 to 9999"


def _json(array: Any) -> tuple[Any, list[BadCell]]:
    texts, bad = list[str | None](), list[BadCell]()
    for row, scalar in enumerate(array):
        try:
            texts.append(dumps(tree(scalar)) if scalar.is_valid else None)
        except Unspeakable as error:
            texts.append(None)
            bad.append(BadCell(row, display(scalar), "not_json", str(error)))
    return pa.array(texts, pa.string()), bad


def tree(scalar: Any) -> Any:
    """A value as JSON has it: numbers exactly, times as ISO 8601, bytes in base64. Raises Unspeakable."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        raise Unspeakable(BEYOND) from None
    return _tree(value, scalar.type)


def _tree(value: Any, kind: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if pa.types.is_struct(kind):
        return {field.name: _tree(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return _mapped([(_tree(key, kind.key_type), _tree(item, kind.item_type)) for key, item in value])
    if isinstance(value, list):
        return [_tree(item, kind.value_type) for item in value]
    return _scalar(value)


def _mapped(pairs: list[tuple[Any, Any]]) -> Any:
    if not all(type(key) is str for key, _ in pairs):
        return [[key, item] for key, item in pairs]
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Unspeakable("has a key twice")
    return made


def _scalar(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unspeakable("holds a number that is not finite")
        return Number(repr(value))
    if isinstance(value, int):
        return Number(value)
    if isinstance(value, Decimal):
        return Number(format(value, "f"))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def shown(array: Any) -> Any:
    """A column as text, for a preview; what can't be shown is an ellipsis."""
    texts = []
    for scalar in array:
        try:
            value = tree(scalar)
        except Unspeakable:
            value = "\u2026"
        plain = value if value is None or type(value) is str else dumps(value)
        texts.append(plain)
    return pa.array(texts, pa.string())


NOTHING: Final = pa.array([], pa.string())
"""A column of which no value is known."""

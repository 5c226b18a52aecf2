"""The columns of an answer of MySQL's or MariaDB's, by what the protocol says of them."""

from typing import Any, Final

from pymysql.constants import FIELD_TYPE, FLAG

from services.etl.columns import MAX_PRECISION, ColumnType
from services.etl.loaders._database_sql import FoundColumn

_BINARY: Final = 63
"""The character set of what has none (manual, "Connection Character Sets and Collations")."""

_BYTES_PER_CHARACTER: Final = 4
_WHOLE: Final = {
    FIELD_TYPE.TINY: ("tinyint", "int16", "int16"),
    FIELD_TYPE.SHORT: ("smallint", "int16", "int32"),
    FIELD_TYPE.INT24: ("mediumint", "int32", "int32"),
    FIELD_TYPE.LONG: ("int", "int32", "int64"),
    FIELD_TYPE.LONGLONG: ("bigint", "int64", "decimal(20,0)"),
}
"""The name of each type, and ours for it with a sign and without."""

_PLAIN: Final = {
    FIELD_TYPE.FLOAT: ("float", "float32"),
    FIELD_TYPE.DOUBLE: ("double", "float64"),
    FIELD_TYPE.YEAR: ("year", "int16"),
    FIELD_TYPE.DATE: ("date", "date"),
    FIELD_TYPE.NEWDATE: ("date", "date"),
    FIELD_TYPE.TIME: ("time", "time"),
    FIELD_TYPE.DATETIME: ("datetime", "timestamp"),
    FIELD_TYPE.TIMESTAMP: ("timestamp", "timestamptz"),
    FIELD_TYPE.JSON: ("json", "json"),
    FIELD_TYPE.GEOMETRY: ("geometry", "bytes"),
}
_SHORT_TEXTS: Final = frozenset({FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR})
_MOST_BITS: Final = 63


def found_column(field: Any) -> FoundColumn:
    """The column with its type in ours."""
    spelled, kind = _types(field)
    return FoundColumn(
        field.name,
        spelled,
        ColumnType.parse(kind) if kind else None,
        nullable=not field.flags & FLAG.NOT_NULL,
    )


def _types(field: Any) -> tuple[str, str | None]:
    code, unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    if code in _WHOLE:
        name, signed, bare = _WHOLE[code]
        if name == "tinyint" and field.length == 1:
            return "tinyint(1)", "boolean"
        return (f"{name} unsigned", bare) if unsigned else (name, signed)
    if code in {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}:
        precision = field.length - bool(field.scale) - (not unsigned)
        fits = 0 < precision <= MAX_PRECISION and field.scale <= precision
        spelled = f"decimal({precision},{field.scale})"
        return spelled, spelled if fits else None
    if code == FIELD_TYPE.BIT:
        wide = "int64" if field.length <= _MOST_BITS else "decimal(20,0)"
        return "bit", "boolean" if field.length == 1 else wide
    return _PLAIN.get(code) or _textual(field)


def _textual(field: Any) -> tuple[str, str]:
    if field.flags & (FLAG.ENUM | FLAG.SET):
        return ("set" if field.flags & FLAG.SET else "enum"), "text"
    if field.charsetnr == _BINARY and field.type_code != FIELD_TYPE.NULL:
        return "binary", "bytes"
    characters = field.length // _BYTES_PER_CHARACTER
    if field.type_code in _SHORT_TEXTS and characters:
        return f"varchar({characters})", f"varchar({characters})"
    return "text", "text"

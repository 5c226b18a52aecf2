"""The type of ours that is nearest to one of a database that has no equal here. Pure.

The values travel, though not all of what the database promises about them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from services.etl.columns import MAX_LENGTH, MAX_PRECISION, TEXT, ColumnType

_PLAIN_SCALE: Final = 10
"""Digits after the point of a decimal that has no bounds where it is from."""

_Make = Callable[[re.Match[str]], ColumnType]


def nearest(spelled: str) -> ColumnType:
    """The nearest type; text where nothing is nearer."""
    lowered = " ".join(spelled.lower().split())
    for pattern, make in _RULES:
        if found := pattern.match(lowered):
            return make(found)
    return TEXT


def _one(kind: str) -> _Make:
    made = ColumnType.parse(kind)
    return lambda _: made


def _varchar(found: re.Match[str]) -> ColumnType:
    length = int(found[1] or 1)
    return ColumnType("varchar", length=length) if 1 <= length <= MAX_LENGTH else TEXT


def _decimal(found: re.Match[str]) -> ColumnType:
    if found[1] is None:
        return ColumnType("decimal", precision=MAX_PRECISION, scale=_PLAIN_SCALE)
    precision, scale = int(found[1]), int(found[2] or 0)
    fits = 1 <= precision <= MAX_PRECISION and scale <= precision
    return ColumnType("decimal", precision=precision, scale=scale) if fits else TEXT


def _rule(pattern: str, make: _Make) -> tuple[re.Pattern[str], _Make]:
    return re.compile(pattern, re.ASCII), make


_RULES: Final[Sequence[tuple[re.Pattern[str], _Make]]] = (
    _rule(r".*\[\d*\]\Z", _one("text")),
    _rule(r"(?:bool|boolean)\b", _one("boolean")),
    _rule(r"bigint\b.*unsigned", _one("decimal(20,0)")),
    _rule(r"(?:int|integer)\b.*unsigned", _one("int64")),
    _rule(r"(?:smallint|mediumint)\b.*unsigned|mediumint\b", _one("int32")),
    _rule(r"(?:tinyint|year|smallint|int2)\b", _one("int16")),
    _rule(r"int4\b", _one("int32")),
    _rule(r"(?:bigint|int|int8|integer|oid)\b", _one("int64")),
    _rule(r"(?:numeric|decimal|number)(?: ?\((\d{1,9})(?: ?, ?(\d{1,9}))?\))?(?: unsigned)?\Z", _decimal),
    _rule(r"(?:float|double|real)\b", _one("float64")),
    _rule(
        r"(?:character varying|varchar|nvarchar|character|char|nchar|bpchar)(?: ?\((\d{1,9})\))\Z", _varchar
    ),
    _rule(r"date\Z", _one("date")),
    _rule(r"(?:timestamp|timestamptz)(?:\(\d\))?(?: with time zone)\Z|timestamptz\b", _one("timestamptz")),
    _rule(r"(?:timestamp|datetime)(?:\(\d\))?(?: without time zone)?\Z", _one("timestamp")),
    _rule(r"time(?:\(\d\))?(?: without time zone)?\Z", _one("time")),
    _rule(r"jsonb?\b", _one("json")),
    _rule(r"uuid\b", _one("uuid")),
    _rule(r"(?:tiny|medium|long)?blob\b|(?:var)?binary\b|bytea\b", _one("bytes")),
)

"""Types and defaults as the catalogs of MySQL and MariaDB spell them, and what they mean."""

import re
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from services.etl.columns import MAX_PRECISION, ColumnType, Kind
from services.etl.tables.definition import Default
from services.etl.tables.literals import canonical

TYPES: Final[Mapping[Kind, str]] = {
    "text": "longtext",
    "boolean": "tinyint(1)",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    # The server shows a FLOAT with six digits only, so that it looks like another number.
    "float32": "double",
    "float64": "double",
    "date": "date",
    "time": "time(6)",
    "timestamp": "datetime(6)",
    "timestamptz": "datetime(6)",
    "json": "json",
    "uuid": "char(36)",
    "bytes": "longblob",
}
MAX_KEPT: Final = 10_000
"""As long as a definition may have what is kept."""

NOW: Final[Mapping[Kind, str]] = {
    "date": "utc_date()",
    "timestamp": "utc_timestamp(6)",
    "timestamptz": "utc_timestamp(6)",
}
EXACT: Final = (
    "CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M!100203 COLLATE utf8mb4_nopad_bin */"
)
"""What our texts are: code points decide, and trailing blanks count. Each server reads its own comment."""

_KINDS: Final[Mapping[str, Kind]] = {
    spelled: kind for kind, spelled in TYPES.items() if kind not in {"float32", "timestamptz"}
}
_PARAMETERS: Final = re.compile(r"(varchar|decimal)\((\d{1,5})(?:,(\d{1,2}))?\)", re.ASCII)
_COLLATED: Final = re.compile(
    r"(.*?)((?: on update [a-z_]+(?:\(\d?\))?| invisible)*)(?: in (\w+))?", re.DOTALL
)
_CHARACTERS: Final = re.compile(r"(var)?char\(|(tiny|medium|long)?text$|enum\(|set\(")

_QUOTED: Final = r"'(?:[^'\\\x00]|'')*'"
_LISTED: Final = re.compile(rf"(enum|set)\s*\(\s*({_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\)", re.IGNORECASE)
_ONE_QUOTED: Final = re.compile(_QUOTED)
_NATIVE: Final = re.compile(
    r"([a-z][a-z0-9]*(?: precision| varying)?)\s*(?:\(\s*(\d{1,5})\s*(?:,\s*(\d{1,2})\s*)?\))?"
    r"((?: unsigned)?(?: zerofill)?)",
    re.ASCII,
)
_IN: Final = re.compile(r" in ([a-z0-9]+(?:_[a-z0-9]+)*)\Z", re.ASCII)
_SYNONYMS: Final[Mapping[str, str]] = {
    "integer": "int",
    "middleint": "mediumint",
    "int1": "tinyint",
    "int2": "smallint",
    "int3": "mediumint",
    "int4": "int",
    "int8": "bigint",
    "dec": "decimal",
    "numeric": "decimal",
    "fixed": "decimal",
    "real": "double",
    "double precision": "double",
    "float4": "float",
    "float8": "double",
    "character": "char",
    "nchar": "char",
    "character varying": "varchar",
    "nvarchar": "varchar",
}
_INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_SIGNED: Final = _INTEGERS | {"decimal", "float", "double"}
_GIVEN: Final[Mapping[str, str]] = {"char": "(1)", "binary": "(1)", "bit": "(1)", "decimal": "(10,0)"}
_TIMES: Final = frozenset({"time", "datetime", "timestamp"})
_WITH_LENGTH: Final = _TIMES | {"char", "binary", "bit", "varchar", "varbinary", "vector"}
_WITHOUT_LENGTH: Final = (
    _TIMES
    | frozenset(_GIVEN)
    | frozenset(
        {"tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "date"}
        | {"year", "json", "inet4", "inet6", "uuid", "geometry", "point", "linestring", "polygon"}
        | {"multipoint", "multilinestring", "multipolygon", "geometrycollection"}
    )
)
_TEXTUAL: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})

_STRING: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_CONVERTED: Final = re.compile(
    r"convert\((?:x'([0-9a-f]*)'|0x([0-9a-f]+)) using utf8mb4\)", re.ASCII | re.IGNORECASE
)
_ESCAPED: Final = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a", "b": "\b"}
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"[xX]'([0-9a-fA-F]*)'|0x([0-9a-fA-F]+)")


def type_name(kind: ColumnType) -> str:
    """The type as the catalog spells it, without the display widths that some versions add."""
    if kind.kind == "varchar":
        return f"varchar({kind.length})"
    if kind.kind == "decimal":
        return f"decimal({kind.precision},{kind.scale})"
    return TYPES[kind.kind]


def type_of(spelled: str) -> ColumnType | None:
    """The portable type that is kept so; of two that are, the plainer one."""
    known = _KINDS.get(spelled)
    if known is not None:
        return ColumnType(known)
    found = _PARAMETERS.fullmatch(spelled)
    if found is None:
        return None
    kind, first, second = found[1], int(found[2]), int(found[3] or 0)
    if kind == "varchar":
        return ColumnType("varchar", length=first) if first else None
    return ColumnType("decimal", precision=first, scale=second) if first <= MAX_PRECISION else None


def declared(spelled: str) -> tuple[str, str]:
    """The type as a statement has it, with the collation that it is to have, and what comes behind a default.

    Only JSON brings its own collation.
    """
    bare, behind, collation = parts(spelled)
    if not _CHARACTERS.match(bare):
        return bare, behind
    return f"{bare} {f'COLLATE {collation}' if collation else EXACT}", behind


def parts(spelled: str) -> tuple[str, str, str | None]:
    """A type of the catalog's, what comes behind it in a statement, and its collation if it isn't ours."""
    found = _COLLATED.fullmatch(spelled)
    assert found is not None, "every text has these parts"
    bare, behind, collation = found.groups()
    return bare, behind.upper(), collation


def native_name(text: str) -> str | None:
    """A type as the catalog spells it: small letters outside of quotes, no synonyms, no display widths.

    None for what is no type: only names that the manuals list are taken, with numbers, and lists of words.
    """
    text, collation = _split(text.strip())
    if (listed := _LISTED.fullmatch(text)) is not None:
        words = ",".join(_ONE_QUOTED.findall(listed[2]))
        return f"{listed[1].lower()}({words}){collation}"
    found = _NATIVE.fullmatch(" ".join(text.lower().split()))
    if found is None:
        return None
    name, first, second, sign = found.groups()
    if name in {"bool", "boolean"}:
        name, first = ("tinyint", "1") if first is None else ("", None)
    spelled = _spelled(_SYNONYMS.get(name, name), first, second, sign)
    if spelled is None or (collation and spelled.split("(")[0] not in _TEXTUAL):
        return None
    return spelled + collation


def default_of(spelled: str, kind: ColumnType) -> Default:
    """The default that the catalog spells so, for a column of this type; `kept` where we make none such."""
    if spelled.lower() == NOW.get(kind.kind):
        return Default(function="now")
    for text in _values(spelled, kind):
        try:
            return Default(literal=canonical(kind, text))
        except ValueError:
            continue  # it is no such value, or longer than a definition may have it
    return Default(kept=spelled[:MAX_KEPT])


def unquoted(spelled: str) -> str | None:
    """The text of a literal in quotes, with what the servers escape by backslashes; None for none."""
    if (coded := _CONVERTED.fullmatch(spelled)) is not None:
        return bytes.fromhex(coded[1] or coded[2] or "").decode(errors="replace")
    found = _STRING.fullmatch(spelled)
    if found is None:
        return None
    return _ESCAPED.sub(lambda one: "'" if one[1] is None else _ESCAPES.get(one[1], one[1]), found[1])


def stored(kind: ColumnType, text: str) -> str:
    """The text that stands for a value: times with zone come in UTC and are kept without it."""
    if kind.kind in {"timestamp", "timestamptz"}:
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return text


def single(text: str) -> str:
    """The number with single precision that is nearest, with all its digits."""
    (nearest,) = struct.unpack("f", struct.pack("f", float(text)))
    return repr(nearest)


def _split(text: str) -> tuple[str, str]:
    found = _IN.search(text)
    return (text[: found.start()].rstrip(), found[0]) if found else (text, "")


def _spelled(name: str, first: str | None, second: str | None, sign: str) -> str | None:
    if sign and name not in _SIGNED:
        return None
    if name in _INTEGERS:
        return _integer(name, first, second, sign)
    if name in {"float", "double"}:
        bare = f"{name}{sign}" if first is None else None
        return f"{name}({first},{second}){sign}" if first and second else bare
    if name == "decimal" and first:
        return f"decimal({first},{second or 0}){sign}"
    return _plain(name, first, sign) if second is None else None


def _plain(name: str, first: str | None, sign: str) -> str | None:
    if first and (name, first) != ("year", "4"):
        if int(first) == 0 and name in _TIMES:
            return name
        return f"{name}({int(first)})" if name in _WITH_LENGTH else None
    return f"{name}{_GIVEN.get(name, '')}{sign}" if name in _WITHOUT_LENGTH else None


def _integer(name: str, first: str | None, second: str | None, sign: str) -> str | None:
    if second is not None:
        return None
    if "zerofill" in sign:
        return f"{name}({first}) unsigned zerofill" if first else None
    return "tinyint(1)" if (name, first, sign) == ("tinyint", "1", "") else f"{name}{sign}"


def _values(spelled: str, kind: ColumnType) -> Iterator[str]:
    """The values that the spelling may stand for, as `literals` reads them."""
    text = unquoted(spelled)
    digits = _HEXADECIMAL.fullmatch(spelled)
    if kind.kind == "bytes":
        if digits:
            yield digits[1] or digits[2] or ""
        elif text is not None:
            yield text.encode().hex()
    elif text is None:
        if _NUMBER.fullmatch(spelled) and kind.kind in {"boolean", *_NUMERIC}:
            yield {"0": "false", "1": "true"}.get(spelled, "") if kind.kind == "boolean" else spelled
    elif kind.kind == "timestamptz":
        yield f"{text}+00:00"
    else:
        yield text


_NUMERIC: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal", "float32", "float64"})

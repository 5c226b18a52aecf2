"""PostgreSQL's types: as its catalog spells them, as people do, and as ours."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from services.etl.columns import MAX_LENGTH, MAX_PRECISION, ColumnType, Kind

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "text",
    "boolean": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float32": "real",
    "float64": "double precision",
    "date": "date",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "json": "jsonb",
    "uuid": "uuid",
    "bytes": "bytea",
}
_KINDS: Final[Mapping[str, ColumnType]] = {spelled: ColumnType(kind) for kind, spelled in _TYPES.items()}
_VARCHAR: Final = re.compile(r"character varying\((\d+)\)\Z", re.ASCII)
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)\Z", re.ASCII)

_MODIFIERS: Final = re.compile(r"\([^)]*\)")
_NEAREST: Final[Mapping[str, str]] = {
    "json": "jsonb",
    **{spelled: spelled for kind, spelled in _TYPES.items() if kind in {"time", "timestamp", "timestamptz"}},
}
"""What has the values of one of our types, though with another precision or another spelling."""

_SYNONYMS: Final[Mapping[str, str]] = {
    "bool": "boolean",
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "dec": "numeric",
    "varchar": "character varying",
    "char varying": "character varying",
    "nchar varying": "character varying",
    "national char varying": "character varying",
    "national character varying": "character varying",
    "char": "character",
    "nchar": "character",
    "national char": "character",
    "national character": "character",
    "varbit": "bit varying",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}
_WORDY: Final = frozenset({"double precision", "character varying", "bit varying"})
_ZONED: Final = re.compile(r"(timestamp|time)(\(\d\))? (with|without) time zone\Z", re.ASCII)
_INTERVAL: Final = re.compile(
    r"interval( (year|month|day|hour|minute|year to month|day to hour|day to minute|hour to minute))?\Z"
    r"|interval( (second|day to second|hour to second|minute to second))?(\([0-6]\))?\Z",
    re.ASCII,
)
_ONE: Final = frozenset({"character", "bit"})
"""Types that have the length 1 where none is given (manual, sections 8.3 and 8.10)."""
_FLOAT_BITS: Final = (24, 53)
_PARTS: Final = re.compile(
    r"""(?P<name>(?:[^\W\d][\w$]*|"(?:[^"\x00]|"")+")
                 (?:\.(?:[^\W\d][\w$]*|"(?:[^"\x00]|"")+")|(?:\ [a-z]+)+)?)
        (?:\ ?\((?P<modifiers>[^()'"\\;]*)\))?
        (?P<rest>(?:\ [a-z]+)*)
        (?P<array>(?:\[\d{0,9}\])*)\Z""",
    re.VERBOSE,
)
_MODIFIER: Final = re.compile(r"-?\d{1,9}|[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)
_BARE: Final = re.compile(r"[a-z_][a-z0-9_$]*\Z", re.ASCII)
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_MAX_BYTES: Final = 63
_NO_COLUMN: Final = re.compile(
    r"(small|big)?serial[248]?\Z|any\w*\Z|_|(cstring|internal|record|trigger|event_trigger|void|unknown|opaque"
    r"|\w+_handler|pg_ddl_command|setof|table|array|default|null|not|unique|primary|references|check|collate"
    r"|constraint|generated|using|as|is|select|from|where)\Z"
)
"""Pseudo types, which no column can have (manual, section 8.21), serial types, which are none, arrays under
the names that they have inside, and words that begin something else."""


def type_name(kind: ColumnType) -> str:
    """The type as `format_type` spells it (manual, section 9.27)."""
    if kind.kind == "varchar":
        return f"character varying({kind.length})"
    if kind.kind == "decimal":
        return f"numeric({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


def type_of(spelled: str) -> ColumnType | None:
    """The type of ours in which the values of this one travel, or None: they travel as texts."""
    if found := _VARCHAR.match(spelled):
        return ColumnType("varchar", length=int(found[1])) if int(found[1]) <= MAX_LENGTH else None
    if found := _NUMERIC.match(spelled):
        precision, scale = int(found[1]), int(found[2])
        fits = precision <= MAX_PRECISION and scale <= precision
        return ColumnType("decimal", precision=precision, scale=scale) if fits else None
    return _KINDS.get(spelled) or _KINDS.get(_NEAREST.get(_MODIFIERS.sub("", spelled), ""))


def native_name(text: str) -> str | None:
    """A type as `format_type` spells it, or None for what can't be the type of a column.

    Nothing comes out but names, numbers in parentheses, words that belong to a type and brackets: a text
    that would end the type and go on as SQL is none.
    """
    parts = _PARTS.match(_lowered(text))
    if parts is None:
        return None
    name = _name(parts["name"])
    if name is None:
        return None
    spelled = _spelled(name, _modifiers(parts["modifiers"]), parts["rest"])
    return None if spelled is None else spelled + ("[]" if parts["array"] else "")


def _lowered(text: str) -> str:
    """With single blanks and in lower case, but for what is in quotes or between parentheses."""
    pieces: list[str] = []
    last = 0
    for quoted in _QUOTED.finditer(text):
        pieces += [_plain(text[last : quoted.start()]), quoted[0]]
        last = quoted.end()
    return "".join([*pieces, _plain(text[last:])]).strip(" ")


def _plain(text: str) -> str:
    blanked = re.sub(r"[ \t\r\n]+", " ", text)
    parts = re.split(r"(\([^()]*\))", blanked)
    lowered = [part if part.startswith("(") else part.lower() for part in parts]
    return re.sub(r" ?([.\[\]]) ?", r"\1", "".join(lowered)).replace(" (", "(").replace(") ", ") ")


def _name(text: str) -> str | None:
    """The name of the type, with the quotes that it needs; its words unless it is of two parts."""
    names = re.findall(r'"(?:[^"]|"")+"|[^."]+', text)
    if any(len(_bare(name).encode()) > _MAX_BYTES for name in names):
        return None
    if any(_NO_COLUMN.match(name) for name in names) or any(name.startswith("_") for name in names[-1:]):
        return None
    spelled = [_unquoted(name) for name in names]
    return spelled[-1] if spelled[0] == "pg_catalog" and len(spelled) > 1 else ".".join(spelled)


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _unquoted(name: str) -> str:
    """Without quotes where they aren't needed; "char" is another type than char."""
    bare = _bare(name)
    known = bare in _SYNONYMS or _NO_COLUMN.match(bare)
    return bare if not name.startswith('"') or (_BARE.match(bare) and not known) else name


def _modifiers(text: str | None) -> Sequence[str] | None:
    """What is between the parentheses; none at all where there are no parentheses."""
    return None if text is None else [one.strip() for one in text.split(",")]


def _spelled(name: str, modifiers: Sequence[str] | None, rest: str) -> str | None:
    if modifiers is not None and not all(_MODIFIER.fullmatch(one) for one in modifiers):
        return None
    if name.partition(" ")[0] in {"time", "timestamp", "timetz", "timestamptz", "interval"}:
        return _timed(name, modifiers, rest)
    wordy = " " in name and '"' not in name
    if rest or (wordy and name not in _WORDY and name not in _SYNONYMS):
        return None
    return _plainly(name) if modifiers is None else _modified(name, modifiers)


def _plainly(name: str) -> str:
    name = _SYNONYMS.get(name, name)
    return f"{name}(1)" if name in _ONE else name


def _modified(name: str, modifiers: Sequence[str]) -> str | None:
    if name == "float":
        return _float(modifiers)
    name = "character" if name == "bpchar" else _SYNONYMS.get(name, name)
    if name == "numeric" and len(modifiers) == 1:
        modifiers = [*modifiers, "0"]
    if name in _KINDS:
        return None
    return f"{name}({','.join(_number(one) for one in modifiers)})"


def _number(modifier: str) -> str:
    return str(int(modifier)) if modifier.lstrip("-").isdecimal() else modifier


def _float(modifiers: Sequence[str]) -> str | None:
    if len(modifiers) != 1 or not modifiers[0].isdecimal() or not 1 <= int(modifiers[0]) <= _FLOAT_BITS[1]:
        return None
    return "real" if int(modifiers[0]) <= _FLOAT_BITS[0] else "double precision"


def _timed(name: str, modifiers: Sequence[str] | None, rest: str) -> str | None:
    """Times and intervals, which have their digits in the middle of their names."""
    digits = "" if modifiers is None else f"({','.join(modifiers)})"
    if name.startswith("interval"):
        spelled = f"{name}{digits}" if not rest else ""
        return spelled if _INTERVAL.match(spelled) else None
    first, _, zone = _SYNONYMS.get(name, name).partition(" ")
    if rest and name in {"time", "timestamp"}:
        zone = rest.strip(" ")
    elif rest:
        return None
    spelled = f"{first}{digits} {zone}"
    return spelled if _ZONED.match(spelled) else None

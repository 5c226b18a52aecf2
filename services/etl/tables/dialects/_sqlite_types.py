"""Types of SQLite's columns, as they are declared and as they are read back.

SQLite gives a column an affinity by its type's name ("Datatypes In SQLite", 3.1) and would turn decimals,
times and identifiers into numbers where they look like some. So they are kept as text under type names
that say what they are and contain TEXT. INTEGER is avoided: as a primary key it would number the rows
by itself.
"""

import re
from collections.abc import Mapping
from typing import Final

from services.etl.columns import ColumnType, ColumnTypeUnknown, Kind

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "TEXT",
    "boolean": "BOOLEAN",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE_TEXT",
    "time": "TIME_TEXT",
    "timestamp": "TIMESTAMP_TEXT",
    "timestamptz": "TIMESTAMPTZ_TEXT",
    "json": "JSON_TEXT",
    "uuid": "UUID_TEXT",
    "bytes": "BLOB",
}
_OTHER_NAMES: Final[Mapping[str, Kind]] = {
    "BOOL": "boolean",
    "TINYINT": "int16",
    "INT2": "int16",
    "MEDIUMINT": "int32",
    "DATE": "date",
    "TIME": "time",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
    "JSON": "json",
    "UUID": "uuid",
}
_KEYWORDS: Final = re.compile(
    r"(?:"
    r"ABORT|ACTION|ADD|AFTER|ALL|ALTER|ALWAYS|ANALYZE|AND|AS|ASC|ATTACH|AUTOINCREMENT|BEFORE|BEGIN|"
    r"BETWEEN|BY|CASCADE|CASE|CAST|CHECK|COLLATE|COLUMN|COMMIT|CONFLICT|CONSTRAINT|CREATE|CROSS|"
    r"CURRENT|CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|DATABASE|DEFAULT|DEFERRABLE|DEFERRED|DELETE|"
    r"DESC|DETACH|DISTINCT|DO|DROP|EACH|ELSE|END|ESCAPE|EXCEPT|EXCLUDE|EXCLUSIVE|EXISTS|EXPLAIN|FAIL|"
    r"FILTER|FIRST|FOLLOWING|FOR|FOREIGN|FROM|FULL|GENERATED|GLOB|GROUP|GROUPS|HAVING|IF|IGNORE|"
    r"IMMEDIATE|IN|INDEX|INDEXED|INITIALLY|INNER|INSERT|INSTEAD|INTERSECT|INTO|IS|ISNULL|JOIN|KEY|LAST|"
    r"LEFT|LIKE|LIMIT|MATCH|MATERIALIZED|NATURAL|NO|NOT|NOTHING|NOTNULL|NULL|NULLS|OF|OFFSET|ON|OR|"
    r"ORDER|OTHERS|OUTER|OVER|PARTITION|PLAN|PRAGMA|PRECEDING|PRIMARY|QUERY|RAISE|RANGE|RECURSIVE|"
    r"REFERENCES|REGEXP|REINDEX|RELEASE|RENAME|REPLACE|RESTRICT|RETURNING|RIGHT|ROLLBACK|ROW|ROWS|"
    r"SAVEPOINT|SELECT|SET|STORED|TABLE|TEMP|TEMPORARY|THEN|TIES|TO|TRANSACTION|TRIGGER|UNBOUNDED|"
    r"UNION|UNIQUE|UPDATE|USING|VACUUM|VALUES|VIEW|VIRTUAL|WHEN|WHERE|WINDOW|WITH|WITHIN|WITHOUT"
    r")\Z"
)
"""SQLite's keywords ("SQLite Keywords"): the ones among them that it takes in a type's name, too."""

_KINDS: Final[Mapping[str, Kind]] = {**{declared: kind for kind, declared in _TYPES.items()}, **_OTHER_NAMES}
_MEANT: Final[Mapping[str, Kind]] = {"INTEGER": "int64", "TEXT": "text", "REAL": "float64", "BLOB": "bytes"}
STRICT_TYPES: Final = frozenset({"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"})
"""The types of "STRICT Tables"; newer SQLite shows them in upper case, however they were written."""

_WHOLE: Final = frozenset({"INTEGER", "NUMERIC", "BLOB"})
_LONGEST: Final = 1000
_NATIVE = re.compile(
    r"([A-Za-z_]\w*(?: [A-Za-z_]\w*)*)(?: ?\( ?(\d{1,9}) ?(?:, ?(\d{1,9}) ?)?\))?\Z", re.ASCII
)


def type_name(kind: ColumnType) -> str:
    """The declared type of a column."""
    if kind.kind == "varchar":
        return f"VARCHAR({kind.length})"
    if kind.kind == "decimal":
        return f"DECIMAL_TEXT({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


def type_of(spelled: str) -> ColumnType | None:
    """The type whose values a column that is declared so is meant for; None where its name says nothing."""
    found = _NATIVE.match(spelled.strip().upper())
    if found is None:
        return None
    name, length, scale = found.groups()
    if name in _KINDS:
        return ColumnType(_KINDS[name])
    if name in {"DECIMAL_TEXT", "DECIMAL", "NUMERIC"} and length:
        return _parsed(f"decimal({length},{scale or 0})")
    if "CHAR" in name and length:
        return _parsed(f"varchar({length})")
    meant = _MEANT.get(affinity(name))
    return ColumnType(meant) if meant else None


def native_name(text: str) -> str | None:
    """A declared type with single spaces, as it is written; None for what would not stay a type."""
    found = _NATIVE.match(" ".join(text.split()))
    if found is None:
        return None
    name, *sizes = found.groups()
    if any(_KEYWORDS.match(word) for word in name.upper().split()):
        return None
    given = ",".join(size for size in sizes if size)
    if not given:
        return name.upper() if name.upper() in STRICT_TYPES else str(name)
    return f"{name}({given})"


def shown(declared: str) -> str:
    """A declared type as it can be declared again: its affinity's where it is none, or no type's name."""
    spelled = native_name(declared) if len(declared) <= _LONGEST else None
    return spelled or affinity(declared)


def affinity(declared: str) -> str:
    """The affinity of a declared type ("Determination Of Column Affinity": five rules in order)."""
    declared = declared.upper()
    if "INT" in declared:
        return "INTEGER"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not declared or "BLOB" in declared:
        return "BLOB"
    return "REAL" if any(word in declared for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def _parsed(text: str) -> ColumnType | None:
    try:
        return ColumnType.parse(text)
    except ColumnTypeUnknown:
        return None


def keeps(declared: str, kind: ColumnType) -> bool:
    """Whether a column that is declared so holds values of a type as they are."""
    if kind.kind == "bytes":
        return True
    if kind.is_integer or kind.kind == "boolean":
        return affinity(declared) in _WHOLE
    return affinity(declared) in ({"REAL", "BLOB"} if kind.kind.startswith("float") else {"TEXT", "BLOB"})

"""Tables as people may configure them: all types, keys, defaults, comments, and names that hurt."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.checks import definition_faults, location_faults
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.dialects import Dialect
from shared.identifiers import uuid7

from .values import spelled, values

Draw = Callable[[st.SearchStrategy[Any]], Any]

TYPES: Final = tuple(
    ColumnType.parse(text)
    for text in (
        *("text", "text", "varchar(1)", "varchar(12)", "varchar(40)", "varchar(255)", "boolean"),
        *("int16", "int32", "int64", "decimal(4,0)", "decimal(9,2)", "decimal(12,4)", "decimal(30,10)"),
        *("decimal(3,3)", "float32", "float64", "date", "time", "timestamp", "timestamptz", "json"),
        *("uuid", "bytes"),
    )
)
NATIVES: Final[Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]]] = {
    "postgresql": {
        "inet": ("text", ("10.0.0.1/32", "2001:db8::/32")),
        "interval": ("text", ("1 day 02:03:04", "-00:00:01")),
        "text[]": ("text", ("{}", '{a,"b c",NULL}')),
        "character(3)": ("text", ("abc", "x")),
        "numeric": ("decimal(38,10)", ("1.50", "12345678901234567890.123456789012345")),
    },
    "mysql": {
        "enum('a','b c')": ("text", ("a", "b c")),
        "set('x','y')": ("text", ("", "x,y")),
        "mediumint": ("int32", ("-8388608", "7")),
        "year": ("int16", ("1999", "2155")),
        "varbinary(8)": ("bytes", ("a", "bcd")),
    },
}
"""Types of the databases' own, how their values travel, and some of them as the database spells them."""

DECLARED: Final = ("CLOB", "NVARCHAR(20)", "DOUBLE PRECISION", "MEDIUMINT")
"""SQLite has no types of its own, but other names for those that there are."""

_HOSTILE: Final = (
    *("select", "Table", "user", "order", "id", "a b", " lead", 'say "hi"', "it's", "a.b", "`tick`", "%s"),
    *("$1", ":x", "?", "{x}", "[x]", "a;--", "back\\slash", "Größe", "漢字", "x" * 63, "é" * 31, "rowid"),
    *("tab\there", "line\nend", "primary", "a", "b", "c", "d", "e", "f", "g"),
)
_INVENTED = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=6)
_COMMENTS = st.one_of(
    st.just(""),
    st.just(""),
    st.sampled_from(["It's", 'a "quoted" one', "back\\slash '' ", "Größe 漢字", "$1 %s {x}", "two\nlines"]),
)


def folded(name: str) -> str:
    """What two names must differ in."""
    return unicodedata.normalize("NFKC", name).casefold()


def names(dialect: Dialect) -> st.SearchStrategy[str]:
    """Names of tables, columns and keys that the database can have."""
    known = [name for name in _HOSTILE if _allowed(name, dialect)]
    invented = _INVENTED.filter(lambda name: _allowed(name, dialect))
    return st.one_of(st.sampled_from(known), st.sampled_from(known), invented)


def _allowed(name: str, dialect: Dialect) -> bool:
    if name.lower() in dialect.reserved_columns or folded(name).startswith(dialect.reserved_prefixes):
        return False
    return not location_faults(Location("s" if dialect.capabilities.schemas else None, name), dialect)


def new_name(draw: Draw, dialect: Dialect, taken: Iterable[str]) -> str:
    """A name that none of the others is."""
    others = {folded(name) for name in taken}
    name: str = draw(names(dialect).filter(lambda name: folded(name) not in others))
    return name


def new_column(draw: Draw, dialect: Dialect, taken: Iterable[str]) -> ColumnDefinition:
    """A column of any type under a name that is free."""
    name = new_name(draw, dialect, taken)
    nullable, comment = draw(st.booleans()), draw(_COMMENTS)
    if draw(st.integers(0, 9)) == 0:
        known = NATIVES.get(dialect.name, {})
        native = draw(st.sampled_from(sorted(known or DECLARED)))
        kind = dialect.type_of(native) or ColumnType.parse(known[native][0])
        default = None
    else:
        native, kind = None, draw(st.sampled_from(TYPES))
        default = new_default(draw, kind, dialect)
    return ColumnDefinition(
        id=uuid7(), name=name, type=kind, native=native, nullable=nullable, default=default, comment=comment
    )


def new_default(draw: Draw, kind: ColumnType, dialect: Dialect) -> Default | None:
    """A default for a type, or none."""
    clock = kind.kind in {"date", "timestamp", "timestamptz"}
    choice = draw(st.integers(0, 7))
    if choice == 0 and clock:
        return Default(function="now")
    return Default(literal=spelled(kind, draw(values(kind)))) if choice in {1, 2, 3} else None


def comments() -> st.SearchStrategy[str]:
    """Comments, often none."""
    return _COMMENTS


def new_key(
    draw: Draw, dialect: Dialect, columns: Sequence[ColumnDefinition], taken: Iterable[str]
) -> KeyDefinition | None:
    """A key over some of the columns; None where no column can be in one."""
    fit = [column.name for column in columns if fits_a_key(column)]
    if not fit:
        return None
    chosen = draw(st.lists(st.sampled_from(fit), min_size=1, max_size=2, unique=True))
    return KeyDefinition(name=new_name(draw, dialect, taken), columns=chosen)


def fits_a_key(column: ColumnDefinition) -> bool:
    """Whether every database can have the column in a key."""
    return column.native is None and column.type.kind not in {"json", "bytes"}


def is_valid(definition: TableDefinition, location: Location, dialect: Dialect) -> bool:
    """Whether the product takes it."""
    return not definition_faults(definition, location, dialect) and not location_faults(location, dialect)


@st.composite
def tables(draw: Draw, dialect: Dialect, schema: str | None) -> tuple[Location, TableDefinition]:
    """A valid table, and where it lies."""
    location = Location(schema, draw(names(dialect)))
    columns: list[ColumnDefinition] = []
    for _ in range(draw(st.sampled_from([4, 5, 6, 3, 7, 2, 1]))):
        columns.append(new_column(draw, dialect, [column.name for column in columns]))
    required = [column.name for column in columns if fits_a_key(column) and not column.nullable]
    primary = draw(st.lists(st.sampled_from(required), max_size=2, unique=True)) if required else []
    taken = [location.name]
    keys: list[list[KeyDefinition]] = [[], []]
    for place in draw(st.sampled_from([(), (0, 1), (1, 0, 1), (0, 0), (0,), (1, 1)])):
        if key := new_key(draw, dialect, columns, taken):
            keys[place].append(key)
            taken.append(key.name)
    definition = TableDefinition(
        columns=columns,
        primary_key=primary,
        unique_keys=keys[0],
        indexes=keys[1],
        comment=draw(_COMMENTS),
    )
    return location, definition

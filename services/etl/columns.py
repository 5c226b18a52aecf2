"""Columns: the neutral description of a table's shape that loaders, steps and data tables share.

Plain Python on purpose: the API validates pipelines with it and must not load pandas or pyarrow.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.errors import Fault, Invalid, Loc

Kind = Literal[
    "text",
    "varchar",
    "boolean",
    "int16",
    "int32",
    "int64",
    "decimal",
    "float32",
    "float64",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "json",
    "uuid",
    "bytes",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
INTEGER_RANGES: Final[Mapping[Kind, tuple[int, int]]] = {
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
MAX_PRECISION: Final = 38
MAX_LENGTH: Final = 10_485_760
_SPELLING = re.compile(r"^\s*([a-z0-9]+)\s*(?:\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\))?\s*$", re.ASCII)


class ColumnTypeUnknown(Invalid):
    """{text!r} is no column type: write one of {known}, varchar(length) or decimal(precision, scale)."""


class ColumnUnknown(Invalid):
    """There is no column {name!r} here; there are {known}."""


class ColumnDuplicate(Invalid):
    """The column {name!r} would be there twice."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's type, independent of any database: `text`, `varchar(20)`, `decimal(14,2)`, `int64`, ..."""

    kind: Kind
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, text: str, *, loc: Loc = ()) -> Self:
        """Read the spelling that `str()` writes, without regard to case and spaces.

        Raises ColumnTypeUnknown for anything else, a precision beyond 38 or a scale beyond the precision.
        """
        spelled = _SPELLING.match(text.lower())
        made = cls._from_parts(*spelled.groups()) if spelled else None
        if made is None:
            raise ColumnTypeUnknown(loc=loc, text=text[:80], known=", ".join(_PLAIN_KINDS))
        return made

    @classmethod
    def _from_parts(cls, kind: str, first: str | None, second: str | None) -> Self | None:
        if kind == "varchar" and first and not second and 1 <= int(first) <= MAX_LENGTH:
            return cls("varchar", length=int(first))
        if kind == "decimal" and first:
            precision, scale = int(first), int(second or 0)
            fits = 1 <= precision <= MAX_PRECISION and scale <= precision
            return cls("decimal", precision=precision, scale=scale) if fits else None
        for known in _PLAIN_KINDS:
            if known == kind and first is None:
                return cls(known)
        return None

    def __str__(self) -> str:
        if self.kind == "varchar":
            return f"varchar({self.length})"
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return self.kind

    @property
    def is_text(self) -> bool:
        """Whether values are plain character strings."""
        return self.kind in {"text", "varchar"}

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers of a fixed width."""
        return self.kind in INTEGER_RANGES

    @property
    def is_number(self) -> bool:
        """Whether values can be ordered and computed with as numbers."""
        return self.is_integer or self.kind in {"decimal", "float32", "float64"}

    @property
    def is_ordered(self) -> bool:
        """Whether less-than has a meaning for the values."""
        return self.kind not in {"json", "bytes", "boolean", "uuid"}


_PLAIN_KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in KINDS if kind not in {"varchar", "decimal"})
TEXT: Final = ColumnType("text")


def _read_type(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ColumnType.parse(value)
    except ColumnTypeUnknown as error:
        raise PydanticCustomError(error.code(), "{sentence}", {"sentence": str(error)}) from None


ColumnTypeText = Annotated[
    ColumnType,
    BeforeValidator(_read_type),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A column type: a plain name, varchar(length) or decimal(precision,scale).",
            "examples": ["text", "int64", "decimal(14,2)", "varchar(40)", "timestamptz"],
            "pattern": "^(" + "|".join(_PLAIN_KINDS) + r"|varchar\(\d+\)|decimal\(\d+(, ?\d+)?\))$",
            "x-widget": "column-type",
        }
    ),
]
"""A column type as JSON and forms spell it."""

ColumnName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
"""The name of a column, kept as it is spelled; a target checks its own limits besides."""

ColumnNames = Annotated[
    list[ColumnName], Field(min_length=1, max_length=1000, json_schema_extra={"x-widget": "columns"})
]
"""Names of columns of the step's input, chosen from a list in a form."""


class Column(BaseModel):
    """A column: its name, its type, and whether it may be NULL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ColumnName
    type: ColumnTypeText
    nullable: bool = True


class Columns:
    """Columns in order, each name once. Immutable: every change makes a new one."""

    EMPTY: ClassVar["Columns"]

    def __init__(self, columns: Iterable[Column] = (), *, loc: Loc = ()) -> None:
        self._by_name: dict[str, Column] = {}
        for column in columns:
            if column.name in self._by_name:
                raise ColumnDuplicate(loc=loc, name=column.name)
            self._by_name[column.name] = column

    def __iter__(self) -> Iterator[Column]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple((column.name, column.type, column.nullable) for column in self))

    def __repr__(self) -> str:
        return f"Columns({', '.join(f'{column.name} {column.type}' for column in self)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(self._by_name)

    def get(self, name: str, *, loc: Loc = ()) -> Column:
        """The column of this name; raises ColumnUnknown at `loc`."""
        try:
            return self._by_name[name]
        except KeyError:
            raise ColumnUnknown(loc=loc, name=name, known=self._listed()) from None

    def only(self, names: Iterable[str], *, loc: Loc = ()) -> "Columns":
        """These columns in the order of the names; raises ColumnUnknown with every place that is wrong."""
        wanted = list(names)
        self._require(enumerate(wanted), loc)
        return Columns((self._by_name[name] for name in wanted), loc=loc)

    def without(self, names: Iterable[str], *, loc: Loc = ()) -> "Columns":
        """All columns but these; raises ColumnUnknown with every place that is wrong."""
        dropped = list(names)
        self._require(enumerate(dropped), loc)
        return Columns(column for column in self if column.name not in dropped)

    def renamed(self, mapping: Mapping[str, str], *, loc: Loc = ()) -> "Columns":
        """The same columns under new names; raises ColumnUnknown or ColumnDuplicate."""
        self._require(((old, old) for old in mapping), loc)
        seen: set[str] = set()
        for column in self:
            name = mapping.get(column.name, column.name)
            if name in seen:
                place = next((old for old, new in mapping.items() if new == name), column.name)
                raise ColumnDuplicate(loc=(*loc, place), name=name)
            seen.add(name)
        return Columns(
            column.model_copy(update={"name": mapping.get(column.name, column.name)}) for column in self
        )

    def retyped(self, types: Mapping[str, ColumnType], *, loc: Loc = ()) -> "Columns":
        """The same columns, some of them with another type; raises ColumnUnknown."""
        self._require(((name, name) for name in types), loc)
        return Columns(
            column.model_copy(update={"type": types.get(column.name, column.type)}) for column in self
        )

    def with_column(self, column: Column) -> "Columns":
        """With this column in the place of the one of its name, or at the end."""
        return Columns((self._by_name | {column.name: column}).values())

    def _require(self, places: Iterable[tuple[str | int, str]], loc: Loc) -> None:
        missing = [(place, name) for place, name in places if name not in self._by_name]
        if missing:
            known = self._listed()
            faults = [
                Fault((*loc, place), ColumnUnknown.code(), str(ColumnUnknown(name=name, known=known)))
                for place, name in missing
            ]
            raise ColumnUnknown(loc=faults[0].loc, faults=faults, name=missing[0][1], known=known)

    def _listed(self, most: int = 20) -> str:
        names = [repr(name) for name in self.names[:most]]
        return ", ".join(names) + (", ..." if len(self) > most else "") if names else "none"


Columns.EMPTY = Columns()

"""Expressions as they are written: a tree of constants, columns and calls, before types are known.

Operators are calls by their sign, `case` is a call of conditions, values and the value otherwise.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.etl.columns import ColumnType
from shared.errors import Invalid, Loc

MAX_LENGTH: Final = 4000
MAX_NODES: Final = 500
MAX_DEPTH: Final = 60
"""Bounds of one expression: its characters, its nodes, and how deep they are nested."""


class ExpressionInvalid(Invalid):
    """The expression can't be used, see its character {position}: {reason}."""


class Wrong(Exception):
    """What is wrong with an expression at an offset in its text (from 0)."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, reason

    def at_place(self, loc: Loc) -> ExpressionInvalid:
        """The same for the user; the offset is the last element of the place, for a caret."""
        return ExpressionInvalid(loc=(*loc, self.at), position=self.at + 1, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as it is written; decimals are those with a point, floats those with an exponent."""

    value: int | Decimal | float | str | bool | None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """A column by its name."""

    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function with its arguments."""

    function: str
    arguments: tuple["Node", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Conversion:
    """A cast to a type; `forgiving` makes NULL of what doesn't fit."""

    argument: "Node"
    type: ColumnType
    forgiving: bool = False
    at: int = 0


Node = Constant | Name | Call | Conversion

"""Conditions over the columns of a row: a JSON tree, checked and never evaluated as code.

A comparison with NULL is neither true nor false (SQL's three-valued logic).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import ColumnName, Columns
from services.etl.pipeline import literals
from services.etl.pipeline.errors import TypeMismatch
from services.etl.pipeline.literals import literal
from shared.errors import Fault, Invalid, Loc, PenstockError

MAX_DEPTH: Final = 20
MAX_NODES: Final = 500


class ConditionInvalid(Invalid):
    """The condition can't be used: {reason}."""


class PatternInvalid(Invalid):
    """The pattern isn't one of RE2: {reason}."""


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(_Node):
    """Compare a column with a value."""

    op: Literal["eq", "ne", "lt", "le", "gt", "ge"]
    column: ColumnName
    value: literals.Literal


class Membership(_Node):
    """Whether a column has one of some values."""

    op: Literal["in", "not_in"]
    column: ColumnName
    values: list[literals.Literal] = Field(min_length=1, max_length=1000)


class Presence(_Node):
    """Whether a column is NULL."""

    op: Literal["is_null", "is_not_null"]
    column: ColumnName


class Match(_Node):
    """Look into a text. `matches` takes a regular expression as RE2 knows it and finds it anywhere."""

    op: Literal["contains", "starts_with", "ends_with", "matches"]
    column: ColumnName
    value: Annotated[str, Field(min_length=1, max_length=1000)]
    case_sensitive: bool = True


class Junction(_Node):
    """All of some conditions, or any of them."""

    op: Literal["and", "or"]
    conditions: list["Condition"] = Field(min_length=1, max_length=100)


class Negation(_Node):
    """The opposite of a condition."""

    op: Literal["not"]
    condition: "Condition"


Condition = Annotated[
    Comparison | Membership | Presence | Match | Junction | Negation,
    Field(discriminator="op", json_schema_extra={"x-widget": "condition"}),
]
Junction.model_rebuild()
Negation.model_rebuild()


def check_size(tree: Any) -> Any:
    """Refuse a tree that is too deep or too large before anything recurses into it."""
    nodes, pending = 0, [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"at most {MAX_DEPTH} levels and {MAX_NODES} conditions")
        if isinstance(node, Mapping):
            below = node.get("conditions")
            pending += [(child, depth + 1) for child in (below if isinstance(below, list) else [])]
            if "condition" in node:
                pending.append((node["condition"], depth + 1))
    return tree


def check(condition: Condition, columns: Columns, *, loc: Loc) -> None:
    """Check names, values and patterns against the columns. Raises ConditionInvalid with every place."""
    faults = list(_faults(condition, columns, loc))
    if faults:
        raise ConditionInvalid(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))


def columns_of(node: Condition) -> set[str]:
    """The names of the columns that a condition looks at."""
    if isinstance(node, Junction):
        return set[str]().union(*(columns_of(child) for child in node.conditions))
    if isinstance(node, Negation):
        return columns_of(node.condition)
    return {node.column}


def _faults(node: Condition, columns: Columns, loc: Loc) -> Iterator[Fault]:
    if isinstance(node, Junction):
        for position, child in enumerate(node.conditions):
            yield from _faults(child, columns, (*loc, "conditions", position))
    elif isinstance(node, Negation):
        yield from _faults(node.condition, columns, (*loc, "condition"))
    else:
        try:
            _check_leaf(node, columns, loc)
        except PenstockError as error:
            yield from error.all_faults()


def _check_leaf(node: Comparison | Membership | Presence | Match, columns: Columns, loc: Loc) -> None:
    column = columns.get(node.column, loc=(*loc, "column"))
    if isinstance(node, Comparison):
        if node.op not in {"eq", "ne"} and not column.type.is_ordered:
            raise TypeMismatch(
                loc=(*loc, "op"), column=column.name, given=column.type, wanted="a type with an order",
                hint="use eq or ne",
            )  # fmt: skip
        literal(node.value, column.type, loc=(*loc, "value"))
    elif isinstance(node, Membership):
        for position, value in enumerate(node.values):
            literal(value, column.type, loc=(*loc, "values", position))
    elif isinstance(node, Match):
        if not (column.type.is_text or column.type.kind in {"json", "uuid"}):
            raise TypeMismatch(
                loc=(*loc, "column"), column=column.name, given=column.type, wanted="text",
                hint="cast it first",
            )  # fmt: skip
        if node.op == "matches":
            check_pattern(node.value, loc=(*loc, "value"))


def check_pattern(pattern: str, *, loc: Loc) -> None:
    """Refuse what RE2 doesn't know (look-around, back references) or what would grow too large."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it can't be read"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PatternInvalid(loc=loc, reason=text) from None

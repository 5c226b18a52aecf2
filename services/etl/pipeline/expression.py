"""Expressions over the columns of a row, such as `round(price * qty, 2)`. Plain Python.

They are read into a tree of known operations and never evaluated as code. NULL is that of SQL: what computes
with NULL is NULL, a comparison with NULL is neither true nor false. What can't be computed (a division by
zero, an overflow, a cast of a value that doesn't fit) fails in its row only, and only where it is reached:
`case`, `if`, `coalesce`, `and`, `or` don't reach all their parts.
"""

from services.etl.columns import Columns, ColumnType
from services.etl.pipeline.expression_checking import converted, typed
from services.etl.pipeline.expression_functions import FUNCTIONS
from services.etl.pipeline.expression_parsing import parse
from services.etl.pipeline.expression_tree import Wrong
from services.etl.pipeline.expression_types import BOOLEAN, Typed
from shared.errors import Loc


def checked(text: str, columns: Columns, *, wanted: ColumnType | None = None, loc: Loc = ()) -> Typed:
    """An expression with its types, cast to `wanted` if that is given; None is the type of a bare NULL.

    Raises ExpressionInvalid at `loc` and the offset in the text, from 0.
    """
    try:
        node = typed(parse(text), columns)
        return node if wanted is None else converted(node, wanted)
    except Wrong as error:
        raise error.at_place(loc) from None


def checked_condition(text: str, columns: Columns, *, loc: Loc = ()) -> Typed:
    """An expression that is true, false or NULL. Raises ExpressionInvalid."""
    node = checked(text, columns, loc=loc)
    if node.type != BOOLEAN:
        raise Wrong(0, f"it must be true or false, it is {node.type or 'NULL'}").at_place(loc)
    return node


def columns_of(node: Typed) -> set[str]:
    """The names of the columns that an expression looks at."""
    if node.op == "column":
        return {node.value}
    return set[str]().union(*(columns_of(argument) for argument in node.arguments))


def can_be_null(node: Typed, columns: Columns) -> bool:
    """Whether the value may be NULL, as far as that is known without data."""
    if node.op in {"constant", "column"}:
        return node.value is None or (node.op == "column" and columns.get(node.value).nullable)
    if node.op in {"is null", "is not null", "concat"}:
        return False
    if node.op in {"coalesce", "greatest", "least"}:
        return all(can_be_null(argument, columns) for argument in node.arguments)
    if node.op == "case":
        values = (*node.arguments[1::2], node.arguments[-1])
        return any(can_be_null(value, columns) for value in values)
    function = FUNCTIONS.get(node.op)
    if (function and function.nullable) or (node.op == "cast" and node.value):
        return True
    return any(can_be_null(argument, columns) for argument in node.arguments)

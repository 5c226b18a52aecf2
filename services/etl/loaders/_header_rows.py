"""Headers of several rows: how their cells make one name for each column."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError


def _of_a_header(rows: int, info: ValidationInfo) -> int:
    if rows > 1 and info.data.get("header") is False:
        raise PydanticCustomError("header_missing", "without a header there are no rows of it")
    return rows


HeaderRows = Annotated[
    int,
    Field(ge=1, le=10, description="How many rows the header has: a column's name is made of all of them."),
    AfterValidator(_of_a_header),
]
HeaderSeparator = Annotated[
    str,
    Field(
        max_length=10, description="What stands between the parts of a name when the header has several rows."
    ),
]
HeaderFill = Annotated[
    bool,
    Field(
        description=(
            "Whether an empty cell above the header's last row has the value to its left, as a heading over"
            " several columns looks. It ends where a row above it has another value."
        )
    ),
]


def joined(rows: Sequence[Sequence[str]], separator: str, *, fill: bool) -> list[str]:
    """The names that the rows of a header make, from the top to the bottom; empty parts are left out."""
    width = max(map(len, rows))
    table = [[*row, *[""] * (width - len(row))] for row in rows]
    if fill:
        for level, row in enumerate(table[:-1]):
            _fill(row, table[:level])
    return [separator.join(filter(None, parts)) for parts in zip(*table, strict=True)]


def _fill(row: list[str], above: Sequence[Sequence[str]]) -> None:
    for at in range(1, len(row)):
        if not row[at] and all(upper[at] == upper[at - 1] for upper in above):
            row[at] = row[at - 1]

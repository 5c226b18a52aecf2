"""What a change must come to, worked out row by row in Python, without SQL and without a plan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.etl.tables.definition import TableDefinition

from .changing import Changing, Row
from .rows import key_of, unique_keys
from .values import Unfit

Obstacle = tuple[str, Any]
"""What stands against a change, and the id of its column or the number of its key."""


@dataclass
class Foreseen:
    """`rows` after the change, beside `kept`, those before that can become them; `obstacles`: rows that stand
    against it, by what is wrong with them; `lost`: columns whose values go.
    """

    rows: list[Row] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)
    obstacles: Counter[Obstacle] = field(default_factory=Counter)
    lost: set[UUID] = field(default_factory=set)


def foreseen(changing: Changing, rows: Sequence[Row]) -> Foreseen:
    """The change of these rows."""
    came = Foreseen(lost=set(changing.lost()))
    all_of_them: list[Row] = []
    for row in rows:
        after, wrong = _one(changing, row)
        all_of_them.append(after)
        came.obstacles.update(wrong)
        if not wrong:
            came.rows.append(after)
            came.kept.append(row)
    for place, key in enumerate(unique_keys(changing.after)):
        marks = Counter(mark for row in all_of_them if (mark := key_of(row, key)) is not None)
        if further := marks.total() - len(marks):
            came.obstacles["duplicate", place] = further
    return came


def _one(changing: Changing, row: Row) -> tuple[Row, list[Obstacle]]:
    """The row after the change, without the values that can't be cast, and what is wrong with it."""
    after: Row = {}
    wrong: list[Obstacle] = []
    for column in changing.after.columns:
        try:
            after[column.id] = changing.value(column, row)
        except Unfit:
            wrong.append(("cast", column.id))
        else:
            if after[column.id] is None and not column.nullable:
                kind = "missing" if changing.fate(column) == "new" else "null"
                wrong.append((kind, column.id))
    return after, wrong


def distinct(came: Foreseen, after: TableDefinition) -> list[Row]:
    """Rows before the change that can all become rows after it: those first that don't share a key."""
    kept: list[Row] = []
    seen: set[Any] = set()
    for old, new in zip(came.kept, came.rows, strict=True):
        marks = {mark for key in unique_keys(after) if (mark := key_of(new, key)) is not None}
        if not marks & seen:
            seen |= marks
            kept.append(old)
    return kept

"""Whether columns fit into a table: names, types, what must have a value, key, history. Plain Python."""

from collections.abc import Iterator, Sequence
from typing import Final

from services.etl.columns import Columns
from services.etl.pipeline.conversions import can_store
from services.etl.pipeline.definition import History, TargetTable
from shared.errors import Fault, Invalid

_NO_KEY: Final = frozenset({"json", "float32", "float64"})
"""Kinds whose values are no good for telling rows apart: JSON has no equality, floats are never exact."""

_TIMES: Final = frozenset({"timestamp", "timestamptz"})


class ColumnsUnfit(Invalid):
    """The rows don't fit the table: {reason}."""


def check_columns(
    columns: Columns,
    target: TargetTable,
    *,
    key: Sequence[str] = (),
    key_given: bool = False,
    history: History | None = None,
) -> None:
    """Raises ColumnsUnfit with every reason.

    `key_given`: the key is the step's own and not the table's. `history` names the columns that scd2 fills.
    """
    filled = target.defaults | frozenset(history.columns if history else ())
    faults = [
        *_column_faults(columns, target, filled),
        *_key_faults(columns, key, key_given=key_given),
        *(_history_faults(columns, target, key, history) if history else ()),
    ]
    if faults:
        raise ColumnsUnfit(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))


def _column_faults(columns: Columns, target: TargetTable, filled: frozenset[str]) -> Iterator[Fault]:
    loc = ("table_id",)
    for column in columns:
        if column.name not in target.columns:
            yield Fault(loc, "column_unknown", f"The table has no column {column.name!r}.")
            continue
        wanted = target.columns.get(column.name)
        if not can_store(column.type, wanted.type):
            sentence = (
                f"Column {column.name!r} is {column.type}, the table wants {wanted.type}: cast it before."
            )
            yield Fault(loc, "type_mismatch", sentence)
    for wanted in target.columns:
        if wanted.name not in columns and not wanted.nullable and wanted.name not in filled:
            yield Fault(loc, "column_missing", f"Column {wanted.name!r} of the table must have a value.")


def _key_faults(columns: Columns, key: Sequence[str], *, key_given: bool) -> Iterator[Fault]:
    for position, name in enumerate(key):
        loc = ("key", position) if key_given else ("table_id",)
        if name not in columns:
            yield Fault(loc, "column_unknown", f"The rows have no column {name!r} of the key.")
        elif name in key[:position]:
            yield Fault(loc, "column_duplicate", f"Column {name!r} is in the key twice.")


def _history_faults(
    columns: Columns, target: TargetTable, key: Sequence[str], history: History
) -> Iterator[Fault]:
    named = {"valid_from": history.valid_from, "valid_to": history.valid_to, "active": history.active}
    for place, name in named.items():
        if name is None:
            continue
        if name in columns:
            yield Fault(
                (place,), "column_taken", f"Column {name!r} is filled by the mode: leave it out before."
            )
        if list(named.values()).count(name) > 1:
            yield Fault((place,), "column_duplicate", f"Column {name!r} can't be two things at once.")
        yield from _history_column(target, place, name)
    for position, name in enumerate(key):
        if name in target.columns and target.columns.get(name).type.kind in _NO_KEY:
            kind = target.columns.get(name).type
            yield Fault(
                ("key", position), "type_mismatch", f"Column {name!r} is {kind}, which can't be a key."
            )


def _history_column(target: TargetTable, place: str, name: str) -> Iterator[Fault]:
    if name not in target.columns:
        yield Fault((place,), "column_unknown", f"The table has no column {name!r}.")
        return
    column = target.columns.get(name)
    if place == "active" and column.type.kind != "boolean":
        yield Fault((place,), "type_mismatch", f"Column {name!r} is {column.type}, a boolean is needed.")
    if place != "active" and column.type.kind not in _TIMES:
        sentence = f"Column {name!r} is {column.type}, a timestamptz or timestamp is needed."
        yield Fault((place,), "type_mismatch", sentence)
    if place == "valid_to" and not column.nullable:
        yield Fault(
            (place,), "null_not_allowed", f"Column {name!r} must be able to be NULL: so it is while valid."
        )

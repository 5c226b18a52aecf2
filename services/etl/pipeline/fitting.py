"""Whether columns fit into a table: names, types, what must have a value, the key. Plain Python."""

from collections.abc import Iterator, Sequence

from services.etl.columns import Columns
from services.etl.pipeline.conversions import can_store
from services.etl.pipeline.definition import TargetTable
from shared.errors import Fault, Invalid


class ColumnsUnfit(Invalid):
    """The rows don't fit the table: {reason}."""


def check_columns(
    columns: Columns, target: TargetTable, *, key: Sequence[str] = (), key_given: bool = False
) -> None:
    """Raises ColumnsUnfit with every reason. `key_given`: the key is the step's own and not the table's."""
    faults = [*_column_faults(columns, target), *_key_faults(columns, key, key_given=key_given)]
    if faults:
        raise ColumnsUnfit(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))


def _column_faults(columns: Columns, target: TargetTable) -> Iterator[Fault]:
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
        if wanted.name not in columns and not wanted.nullable and wanted.name not in target.defaults:
            yield Fault(loc, "column_missing", f"Column {wanted.name!r} of the table must have a value.")


def _key_faults(columns: Columns, key: Sequence[str], *, key_given: bool) -> Iterator[Fault]:
    for position, name in enumerate(key):
        if name not in columns:
            loc = ("key", position) if key_given else ("table_id",)
            yield Fault(loc, "column_unknown", f"The rows have no column {name!r} of the key.")

"""Columns that go and are used by something that no definition knows: a change is refused, not that lost."""

from collections.abc import Iterator, Sequence

from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.physical import Use
from shared.errors import Fault

from .work import TableChange


def faults(change: TableChange, anew: Sequence[ColumnDefinition] = ()) -> Iterator[Fault]:
    """A fault for each use of a column that goes; `anew` are those whose place another column takes.

    What is over columns that all go for good goes with them, as far as the database lets it.
    """
    staying = {column.id for column in change.after.columns}
    dropped = change.difference.dropped
    gone = {column.name for column in dropped if column.id not in staying}
    lost = gone | {column.name for column in (*dropped, *anew)}
    for use in (*change.physical.uses, *_unknown(change)):
        held = [name for name in use.columns if name in lost]
        if held and (use.needs or not set(use.columns) <= gone):
            reason = f"the column {held[0]!r} can't go or be made anew while {use.what} uses it"
            yield Fault(("columns",), "column_in_use", f"{reason}; change that in the database first")


def _unknown(change: TableChange) -> Iterator[Use]:
    """Indexes that are in no definition: with a column a database drops them, or shortens them."""
    keys = change.difference
    known = {
        key.name for key in (*keys.keys_dropped, *keys.keys_added, *(old for old, _ in keys.keys_renamed))
    }
    known |= {key.name for key in (*change.before.unique_keys, *change.before.indexes)}
    for index in change.physical.indexes:
        if index.valid and index.name not in known:
            yield Use(f"the index {index.name}", index.columns)

"""What the rows of a table may have against a change: the same checks and words on every database."""

from collections.abc import Iterator
from typing import Final

from services.etl.tables.definition import ColumnDefinition
from services.etl.tables.difference import ColumnPair, Key, keys_of, typed
from shared.errors import Loc

from .work import Check, Sql, TableChange

SAMPLES: Final = 5
SAMPLE_LENGTH: Final = 200
"""Characters of a sample."""
SAMPLED_ROWS: Final = 1000
"""Rows among which different samples are looked for: a check may find millions."""


def unfit(pair: ColumnPair, count: Sql, samples: Sql) -> Check:
    """Values that the new type of a column can't hold exactly."""
    wanted = typed(pair.after).replace("{", "{{").replace("}", "}}")
    message = f"{{rows}} a value that {wanted} can't hold exactly"
    return Check(("columns", pair.place, "type"), "value_unfit", message, count, samples)


def missing(pair: ColumnPair, count: Sql) -> Check:
    """Rows without a value in a column that is NOT NULL from now on."""
    message = "{rows} no value in this column, which is to have one in each"
    return Check(("columns", pair.place, "nullable"), "value_missing", message, count)


def added_without_value(change: TableChange) -> Iterator[ColumnDefinition]:
    """The new columns that are NOT NULL and have nothing to fill the rows with that are there."""
    return (one for one in change.difference.added if not one.nullable and one.default is None)


def missing_in_new(change: TableChange, column: ColumnDefinition, count: Sql) -> Check:
    """Rows that would have no value in such a column."""
    loc: Loc = ("columns", change.after.columns.index(column), "default")
    message = "{rows} nothing to fill this new column with, which is to have a value in each"
    return Check(loc, "value_missing", message, count)


def doubtful_keys(change: TableChange) -> Iterator[Key]:
    """Primary and unique keys that are new, or over values that may be equal only after a cast."""
    retyped = {pair.after.name for pair in change.difference.kept if pair.retyped}
    for key in keys_of(change.after):
        if key.kind != "index" and (key in change.difference.keys_added or retyped & set(key.columns)):
            yield key


def duplicate(change: TableChange, key: Key, count: Sql, samples: Sql | None = None) -> Check:
    """Rows that have in a key what another row has."""
    places = [one.name for one in change.after.unique_keys]
    loc: Loc = ("primary_key",) if key.kind == "primary" else ("unique_keys", places.index(key.name))
    message = "{rows} the values of another row in this key"
    return Check(loc, "key_duplicate", message, count, samples)

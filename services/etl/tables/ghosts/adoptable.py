"""Whether what was found in a target can be what is configured. Pure."""

from collections.abc import Iterator

from pydantic import ValidationError

from services.etl.tables.definition import MAX_COLUMNS, TableDefinition
from services.etl.tables.physical import Physical

from .errors import RepairImpossible

_MAX_NAME = 255
_MAX_NATIVE = 10_000
_SHOWN = 40


def require_table(physical: Physical) -> None:
    """Raise RepairImpossible for a relation that is no table of this data table's."""
    if physical.kind != "table":
        raise RepairImpossible(reason=f"a {physical.kind} can't be adopted")


def adoptable(definition: TableDefinition) -> TableDefinition:
    """The definition that was read, if it can be kept. Raises RepairImpossible for one that has no room.

    What is read isn't validated: names, types and the number of columns are as the database has them.
    """
    reason = next(_reasons(definition), None)
    if reason is not None:
        raise RepairImpossible(reason=reason)
    try:
        return TableDefinition.model_validate(definition.model_dump(mode="json"))
    except ValidationError:
        reason = "a name, a type or a default in it is longer than a data table has room for"
        raise RepairImpossible(reason=reason) from None


def _reasons(definition: TableDefinition) -> Iterator[str]:
    count = len(definition.columns)
    if not 1 <= count <= MAX_COLUMNS:
        yield f"it has {count} columns, and a data table has 1 to {MAX_COLUMNS}"
    for column in definition.columns:
        name = repr(column.name[:_SHOWN])
        if len(column.name) > _MAX_NAME:
            yield f"the name of a column that begins with {name} is longer than {_MAX_NAME} characters"
        if column.native is not None and len(column.native) > _MAX_NATIVE:
            yield f"the type of the column {name} is written with more than {_MAX_NATIVE} characters"
    for key in (*definition.unique_keys, *definition.indexes):
        if len(key.name) > _MAX_NAME:
            name = repr(key.name[:_SHOWN])
            yield f"the name of a key that begins with {name} is longer than {_MAX_NAME} characters"

"""What a task's target lets expect, short of an error."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.etl.runs.schemas import RunWarning
from services.etl.tables.models import DataTable
from services.etl.tables.states import State

_MESSAGES: Final[Mapping[State, tuple[str, str]]] = {
    State.DRAFT: ("table_unpublished", "The data table {name} has to be published before a run can fill it."),
    State.PENDING: (
        "table_pending",
        "The data table {name} has changes that aren't published: runs fill it as it was published last.",
    ),
    State.GHOST: (
        "table_is_ghost",
        "The physical table of {name} is gone or isn't as it was published: runs are refused.",
    ),
}


def warnings_of(table: DataTable) -> Iterator[RunWarning]:
    """What whoever fills this data table should know."""
    if table.standing in _MESSAGES:
        code, message = _MESSAGES[table.standing]
        yield RunWarning(code=code, message=message.format(name=table.display_name))

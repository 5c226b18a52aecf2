"""What a task lets expect, short of an error."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.etl.destinations.database_save import DatabaseSave
from services.etl.destinations.file_save import FileSave
from services.etl.loaders._base import Loader
from services.etl.pipeline.definition import KEYED
from services.etl.pipeline.validate import Pipeline
from services.etl.runs.schemas import RunWarning
from services.etl.tables.models import DataTable
from services.etl.tables.states import State

_SHARED: Final = frozenset({"date", "timestamp", "timestamptz"})
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


def warnings_of(table: DataTable | None) -> Iterator[RunWarning]:
    """What whoever fills this data table should know; nothing where a file is written."""
    if table is not None and table.standing in _MESSAGES:
        code, message = _MESSAGES[table.standing]
        yield RunWarning(code=code, message=message.format(name=table.display_name))


def warnings_of_pipeline(pipeline: Pipeline) -> Iterator[RunWarning]:
    """What whoever saves this pipeline should know."""
    yield from _of_increments(pipeline)
    yield from _of_order(pipeline)
    yield from _of_keys(pipeline)


def _of_increments(pipeline: Pipeline) -> Iterator[RunWarning]:
    if not pipeline.loader.incremental:
        return
    yield from _of_late_rows(pipeline.loader)
    if isinstance(pipeline.destination, FileSave) and pipeline.destination.replaces_all:
        yield RunWarning(
            code="increment_replaces_all",
            message=(
                "Each run reads only what is new, and the file then holds only that: with {time} or {run} in"
                " its name each run writes one of its own."
            ),
        )
    if not isinstance(pipeline.destination, DatabaseSave):
        return
    mode = pipeline.destination.params.mode
    if mode == "append" and getattr(pipeline.loader.params, "lag", None):
        yield RunWarning(
            code="lag_repeats_rows",
            message="With a lag some rows are read again by the next run, and append adds them once more.",
        )
    if mode == "replace":
        yield RunWarning(
            code="increment_replaces_all",
            message="Each run reads only what is new, and replace leaves only that in the table.",
        )
    history = pipeline.destination.history
    if history is not None and history.absent == "close":
        yield RunWarning(
            code="increment_ends_the_rest",
            message="Each run reads only what is new, and every version that it doesn't read is ended.",
        )


def _of_late_rows(loader: Loader) -> Iterator[RunWarning]:
    """Rows of several transactions share moments and days: some are seen after others were read."""
    name, lag = getattr(loader.params, "cursor_column", None), getattr(loader.params, "lag", None)
    if name is not None and lag == 0 and loader.columns_out().get(name).type.kind in _SHARED:
        yield RunWarning(
            code="late_rows_lost",
            message=(
                f"The next run reads only rows whose {name} is above the last value that was read. A row that"
                " comes later with that value or an earlier one is never read: give a lag, and a mode with a"
                " key."
            ),
        )


def _of_order(pipeline: Pipeline) -> Iterator[RunWarning]:
    names = [step.name for step in pipeline.handlers]
    for at, step in enumerate(pipeline.handlers):
        if step.name == "deduplicate" and not getattr(step.params, "by", None) and "sort_rows" in names[at:]:
            yield RunWarning(
                code="sorted_too_late",
                message=(
                    f"Step {at + 1} (deduplicate) keeps rows by the order in which they come; the sort behind"
                    " it does not decide which."
                ),
            )


def _of_keys(pipeline: Pipeline) -> Iterator[RunWarning]:
    """Values that become NULL where they can't be read, in columns that can't be NULL."""
    destination = pipeline.destination
    if not isinstance(destination, DatabaseSave) or destination.params.mode not in KEYED:
        return
    key = set(destination.params.key or ())
    for at, params in enumerate([pipeline.loader.params, *(step.params for step in pipeline.handlers)]):
        for name in sorted(key & set(_made_null(params.model_dump()))):
            place = f"Step {at}" if at else "The source"
            yield RunWarning(
                code="key_becomes_null",
                message=f"{place} makes bad values of {name} NULL; as a part of the key they are rejected.",
            )


def _made_null(params: Mapping[str, Any]) -> Iterator[str]:
    columns: Sequence[Any] = params.get("columns") or ()
    for column in columns:
        if isinstance(column, dict):
            name = column.get("column") or column.get("name")
            if column.get("on_error", params.get("on_error")) == "null" and isinstance(name, str):
                yield name

"""Write the rows to a data table."""

from collections.abc import Iterator

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.destinations._base import DestinationStep
from services.etl.pipeline.conversions import can_store
from services.etl.pipeline.definition import TargetTable, Winner, WriteMode
from services.etl.pipeline.errors import TargetUnfit
from shared.errors import Fault
from shared.identifiers import DataTableId


class DatabaseSave(DestinationStep):
    """Write the rows to a data table, with exactly-once effect.

    `append` adds every row. `upsert` inserts new keys and updates changed rows of known keys; of several
    rows with one key in the source, the `winner` is written. All rows and the run's ledger entry become
    visible in one transaction, or none.
    """

    name = "database_save"
    examples = (
        {"table_id": "018f0000-0000-7000-8000-000000000000", "mode": "append"},
        {"table_id": "018f0000-0000-7000-8000-000000000000", "mode": "upsert", "key": ["faa"]},
    )

    class Params(DestinationStep.Params):
        table_id: DataTableId = Field(json_schema_extra={"x-widget": "data-table"})
        mode: WriteMode = "append"
        key: list[ColumnName] | None = Field(
            default=None,
            min_length=1,
            max_length=32,
            description="Columns of the key for upsert; the table's primary key without.",
            json_schema_extra={"x-widget": "columns"},
        )
        winner: Winner = Field(
            default="last", description="Which of several rows with one key is written, by source order."
        )

    params: Params

    def key_of(self, target: TargetTable) -> tuple[str, ...]:
        """The columns that decide which row is which: those given, or the table's primary key."""
        return tuple(self.params.key or target.key)

    def check(self, columns: Columns, target: TargetTable) -> None:
        faults = [*self._column_faults(columns, target), *self._key_faults(columns, target)]
        if faults:
            raise TargetUnfit(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))

    def _column_faults(self, columns: Columns, target: TargetTable) -> Iterator[Fault]:
        loc = ("table_id",)
        for column in columns:
            if column.name not in target.columns:
                yield Fault(loc, "column_unknown", f"The table has no column {column.name!r}.")
                continue
            wanted = target.columns.get(column.name)
            if not can_store(column.type, wanted.type):
                yield Fault(
                    loc,
                    "type_mismatch",
                    f"Column {column.name!r} is {column.type}, the table wants {wanted.type}:"
                    " cast it in a step before.",
                )
        for wanted in target.columns:
            if wanted.name not in columns and not wanted.nullable and wanted.name not in target.defaults:
                yield Fault(loc, "column_missing", f"Column {wanted.name!r} of the table must have a value.")

    def _key_faults(self, columns: Columns, target: TargetTable) -> Iterator[Fault]:
        if self.params.mode != "upsert":
            return
        if not self.key_of(target):
            yield Fault(("key",), "key_missing", "The table has no primary key: name the columns of the key.")
        for position, name in enumerate(self.key_of(target)):
            loc = ("key", position) if self.params.key else ("table_id",)
            if name not in columns:
                yield Fault(loc, "column_unknown", f"The rows have no column {name!r} of the key.")

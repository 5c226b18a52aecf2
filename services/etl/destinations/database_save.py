"""Write the rows to a data table."""

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.destinations._base import DestinationStep
from services.etl.pipeline.definition import TargetTable, Winner, WriteMode
from services.etl.pipeline.fitting import check_columns
from shared.errors import Invalid
from shared.identifiers import DataTableId


class KeyMissing(Invalid):
    """The table has no primary key: name the columns of the key."""


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
        key = self.key_of(target) if self.params.mode == "upsert" else ()
        if self.params.mode == "upsert" and not key:
            raise KeyMissing(loc=("key",))
        check_columns(columns, target, key=key, key_given=self.params.key is not None)

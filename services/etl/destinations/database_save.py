"""Write the rows to a data table."""

from typing import Final, Literal

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.destinations._base import DestinationStep
from services.etl.pipeline.definition import KEYED, History, TargetTable, Winner, WriteMode
from services.etl.pipeline.fitting import check_columns
from shared.errors import Fault, Invalid
from shared.identifiers import DataTableId

_OF_HISTORY: Final = ("valid_from", "valid_to", "active", "absent")


class KeyMissing(Invalid):
    """The table has no primary key: name the columns of the key."""


class BusinessKeyMissing(Invalid):
    """Name the columns of the key that tells whose versions the rows are."""


class KeyTooNarrow(Invalid):
    """The table's primary key leaves no room for a second version of a row: put {valid_from!r} into it."""


class OptionMisplaced(Invalid):
    """{option!r} has no meaning with the mode {mode!r}."""


class DatabaseSave(DestinationStep):
    """Write the rows to a data table, with exactly-once effect.

    `append` adds every row. `upsert` inserts new keys and updates rows of known keys that differ.
    `insert_only` inserts new keys and leaves known ones alone. `replace` makes the rows all that the table
    holds, without a moment in which it is empty. `scd2` keeps history: a row that differs from the valid
    version of its key ends that version and begins a new one. Where rows are told apart by a key, the
    `winner` of several rows with one key is written. All of a run becomes visible at once, or nothing.
    """

    name = "database_save"
    examples = (
        {"table_id": "018f0000-0000-7000-8000-000000000000", "mode": "append"},
        {"table_id": "018f0000-0000-7000-8000-000000000000", "mode": "upsert", "key": ["faa"]},
        {"table_id": "018f0000-0000-7000-8000-000000000000", "mode": "replace"},
        {
            "table_id": "018f0000-0000-7000-8000-000000000000",
            "mode": "scd2",
            "key": ["faa"],
            "active": "is_valid",
            "absent": "close",
        },
    )

    class Params(DestinationStep.Params):
        table_id: DataTableId = Field(json_schema_extra={"x-widget": "data-table"})
        mode: WriteMode = Field(default="append", description="What becomes of rows that are there already.")
        key: list[ColumnName] | None = Field(
            default=None,
            min_length=1,
            max_length=32,
            description=(
                "Columns that tell rows apart, for upsert, insert_only and scd2; without them the table's"
                " primary key, except for scd2, which needs them."
            ),
            json_schema_extra={"x-widget": "columns"},
        )
        winner: Winner = Field(
            default="last", description="Which of several rows with one key is written, by source order."
        )
        valid_from: ColumnName = Field(
            default="valid_from", description="For scd2: the table's column for the moment a version begins."
        )
        valid_to: ColumnName = Field(
            default="valid_to",
            description="For scd2: the table's column for the moment a version ends; NULL while it is valid.",
        )
        active: ColumnName | None = Field(
            default=None, description="For scd2: a boolean column of the table that is true while valid."
        )
        absent: Literal["keep", "close"] = Field(
            default="keep",
            description="For scd2: whether keys that the source lacks stay valid, or their versions end.",
        )

    params: Params

    @property
    def history(self) -> History | None:
        """The columns that scd2 fills; None in every other mode."""
        if self.params.mode != "scd2":
            return None
        return History(
            valid_from=self.params.valid_from,
            valid_to=self.params.valid_to,
            active=self.params.active,
            absent=self.params.absent,
        )

    @property
    def replaces_all(self) -> bool:
        """As the base says; with `absent` close what a run lacks is there as history alone."""
        return self.params.mode == "replace" or (self.params.mode == "scd2" and self.params.absent == "close")

    def key_of(self, target: TargetTable) -> tuple[str, ...]:
        """The columns that decide which row is which: those given, or the table's primary key."""
        return tuple(self.params.key or target.key)

    def check(self, columns: Columns, target: TargetTable | None) -> None:
        if target is None:
            return
        mode = self.params.mode
        self._check_options()
        key = self.key_of(target) if mode in KEYED else ()
        if mode == "scd2" and not self.params.key:
            raise BusinessKeyMissing(loc=("key",))
        if mode in KEYED and not key:
            raise KeyMissing(loc=("key",))
        if mode == "scd2" and target.key and set(target.key) <= set(key):
            raise KeyTooNarrow(loc=("table_id",), valid_from=self.params.valid_from)
        check_columns(columns, target, key=key, key_given=self.params.key is not None, history=self.history)

    def _check_options(self) -> None:
        """Raises OptionMisplaced: an option that does nothing is a mistake, and not to be passed over."""
        misplaced = [name for name in _OF_HISTORY if name in self.params.model_fields_set]
        if self.params.mode == "scd2" or not misplaced:
            return
        mode = self.params.mode
        faults = [
            Fault((name,), OptionMisplaced.code(), str(OptionMisplaced(option=name, mode=mode)))
            for name in misplaced
        ]
        raise OptionMisplaced(loc=faults[0].loc, faults=faults, option=misplaced[0], mode=mode)

"""Take values out of JSON into columns."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import (
    TEXT,
    Column,
    ColumnDuplicate,
    ColumnName,
    Columns,
    ColumnType,
    ColumnTypeText,
)
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, require_one
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.json_paths import parse_path

if TYPE_CHECKING:
    from pandas import DataFrame


class JsonField(BaseModel):
    """A place in the JSON, and the column that gets what is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1,
        max_length=500,
        description='The place, as a.b[0]."name with dots"; $ is the whole value.',
    )
    column: ColumnName = Field(description="The column that gets the value.")
    type: ColumnTypeText = TEXT


class FlattenJson(Handler):
    """Take values out of JSON into columns.

    The column holds JSON or text that is JSON; a row whose text is none is rejected. Strings, numbers, true
    and false become values of the column's type as if they stood in a text, numbers with all their digits.
    Objects and arrays stay JSON, in a column of type json or text. Where the path leads to nothing the value
    is NULL, or the row is rejected; null is always NULL.
    """

    name = "flatten_json"
    examples = (
        {
            "column": "payload",
            "fields": [
                {"path": "customer.id", "column": "customer_id", "type": "int64"},
                {"path": "items[0].price", "column": "first_price", "type": "decimal(12,2)"},
                {"path": "tags", "column": "tags", "type": "json"},
            ],
            "keep": False,
        },
    )

    class Params(Handler.Params):
        column: ColumnName = Field(
            description="The column with the JSON.",
            json_schema_extra={"x-widget": "column", "x-column-types": ["json", "text", "varchar"]},
        )
        fields: list[JsonField] = Field(min_length=1, max_length=500, json_schema_extra={"x-widget": "table"})
        missing: Literal["null", "reject"] = Field(
            default="null", description="What to do where a path leads to nothing."
        )
        on_error: Literal["reject", "null"] = Field(
            default="reject",
            description="Reject the row of a value that doesn't fit, or make the value NULL.",
        )
        keep: bool = Field(default=True, description="Keep the column with the JSON.")

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults = Faults()
        with faults.inside():
            require_one(columns, self.params.column, holds_json, wanted="json or text", loc=("column",))
        kept = [column for column in columns if self.params.keep or column.name != self.params.column]
        taken = {column.name for column in kept}
        for position, field in enumerate(self.params.fields):
            with faults.inside():
                parse_path(field.path, loc=("fields", position, "path"))
            with faults.inside():
                if field.column in taken:
                    raise ColumnDuplicate(loc=("fields", position, "column"), name=field.column)
            taken.add(field.column)
        faults.complain()
        return Columns([*kept, *(Column(name=field.column, type=field.type) for field in self.params.fields)])

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _casts, _json
        from services.etl.pipeline import frames

        source, fields = self.params.column, self.params.fields
        array = frames.arrow_column(frame, source)
        found, bad = _json.flattened(array, [(parse_path(field.path), field.type) for field in fields])
        frame = _casts.without_rows(frame, _json.not_json(array, bad, frame.index, source), context)
        if not self.params.keep:
            frame = frame.drop(columns=[source])
        missing, casts = list[RejectedRow](), {}
        for field, cells in zip(fields, found, strict=True):
            casts[field.column] = (_json.cast(cells, field.type), str(field.type))
            if self.params.missing == "reject":
                missing += [self._missing(int(frame.index[row]), field.path) for row in cells.missing]
        return _casts.settled(frame, casts, context, on_error=self.params.on_error, also=missing)

    def _missing(self, record: int, path: str) -> RejectedRow:
        return RejectedRow(record, self.params.column, None, path, "path_missing", f"has nothing at {path}")


def holds_json(kind: ColumnType) -> bool:
    """Whether values are or can be JSON."""
    return kind.is_text or kind.kind == "json"

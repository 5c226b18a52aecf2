"""Turn the elements of JSON arrays into rows."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import Column, ColumnDuplicate, ColumnName, Columns, ColumnType, ColumnTypeText
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, require_one
from services.etl.handlers.flatten_json import holds_json
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame

JSON = ColumnType("json")


class ExplodeJson(Handler):
    """Turn the elements of JSON arrays into rows.

    Each row becomes one row for each element of the array in `column`, in its order, with all other columns
    of the row. A row whose array is empty or NULL stays once with NULL, or goes. A row with something else
    than an array, or with more elements than `max_elements`, is rejected, and so are all rows of an array
    with an element that is not of the type. Follow it with `flatten_json` where elements are objects.
    """

    name = "explode_json"
    examples = (
        {"column": "items", "into": "item", "position": "item_number"},
        {"column": "labels", "into": "label", "type": "text", "empty": "drop"},
    )
    multiplies = True

    class Params(Handler.Params):
        column: ColumnName = Field(
            description="The column with the arrays; it goes.",
            json_schema_extra={"x-widget": "column", "x-column-types": ["json", "text", "varchar"]},
        )
        into: ColumnName = Field(description="The column that gets the elements.")
        type: ColumnTypeText = JSON
        position: ColumnName | None = Field(
            default=None, description="A column that gets the place of each element, from 1."
        )
        empty: Literal["keep", "drop"] = Field(
            default="keep", description="Keep rows without an element, or count them as filtered."
        )
        max_elements: int = Field(
            default=1000, ge=1, le=100_000, description="Elements of one array; rows with more are rejected."
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults = Faults()
        with faults.inside():
            require_one(columns, self.params.column, holds_json, wanted="json or text", loc=("column",))
        kept = [column for column in columns if column.name != self.params.column]
        added = [Column(name=self.params.into, type=self.params.type)]
        if self.params.position is not None:
            added.append(Column(name=self.params.position, type=ColumnType("int32")))
        taken = {column.name for column in kept}
        for place, column in zip(("into", "position"), added, strict=False):
            with faults.inside():
                if column.name in taken:
                    raise ColumnDuplicate(loc=(place,), name=column.name)
            taken.add(column.name)
        faults.complain()
        return Columns([*kept, *added])

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _casts, _explosion, _json
        from services.etl.pipeline import frames

        array = frames.arrow_column(frame, self.params.column)
        frame, elements = _explosion.elements(frame, array, self.params, context)
        longer = frame.drop(columns=[self.params.column]).iloc[elements.rows]
        if self.params.position is not None:
            longer = frames.with_column(longer, self.params.position, elements.places)
        made = _json.cast(elements.cells, self.params.type)
        return _casts.settled(longer, {self.params.into: (made, str(self.params.type))}, context)

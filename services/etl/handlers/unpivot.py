"""Turn columns into rows."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from services.etl.columns import TEXT, Column, ColumnDuplicate, ColumnName, Columns
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults
from services.etl.pipeline.context import Context
from services.etl.pipeline.errors import TypeMismatch

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_COLUMNS = 200


class Unpivot(Handler):
    """Turn columns into rows.

    Each row becomes one row for each of the columns, in their order: its name, its value, and the other
    columns of the row. The columns must have one type; cast them before where they have several.
    """

    name = "unpivot"
    examples = ({"columns": ["q1", "q2", "q3", "q4"], "name_into": "quarter", "value_into": "sales"},)
    multiplies = True

    class Params(Handler.Params):
        columns: list[ColumnName] = Field(
            min_length=1,
            max_length=MAX_COLUMNS,
            description="The columns that become rows.",
            json_schema_extra={"x-widget": "columns"},
        )
        name_into: ColumnName = Field(default="name", description="The column that gets their names.")
        value_into: ColumnName = Field(default="value", description="The column that gets their values.")
        nulls: Literal["keep", "drop"] = Field(
            default="keep", description="Keep the rows whose value is NULL, or count them as filtered."
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        named = self.params.columns
        chosen = list(columns.only(named, loc=("columns",)))
        faults = Faults()
        for position, column in enumerate(chosen):
            with faults.inside():
                if column.type != chosen[0].type:
                    raise TypeMismatch(
                        loc=("columns", position), column=column.name, given=column.type,
                        wanted=chosen[0].type, hint="columns that become rows have one type",
                    )  # fmt: skip
        kept = columns.without(named)
        for key, name in (("name_into", self.params.name_into), ("value_into", self.params.value_into)):
            with faults.inside():
                if name in kept or (key == "value_into" and name == self.params.name_into):
                    raise ColumnDuplicate(loc=(key,), name=name)
        faults.complain()
        nullable = self.params.nulls == "keep" and any(column.nullable for column in chosen)
        names = Column(name=self.params.name_into, type=TEXT, nullable=False)
        values = Column(name=self.params.value_into, type=chosen[0].type, nullable=nullable)
        return Columns([*kept, names, values])

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from services.etl.pipeline import frames

        named, size = self.params.columns, len(frame)
        context.added(size * (len(named) - 1))
        rows = np.repeat(np.arange(size), len(named))
        columns = np.tile(np.arange(len(named)), size)
        values = pa.chunked_array([frames.arrow_column(frame, name) for name in named])
        value: Any = values.take(pa.array(columns * size + rows)).combine_chunks()
        longer = frame.drop(columns=named).iloc[rows]
        longer = frames.with_column(longer, self.params.name_into, pa.array(named).take(pa.array(columns)))
        longer = frames.with_column(longer, self.params.value_into, value)
        if self.params.nulls == "keep":
            return longer
        kept = frames.keep_rows(longer, pc.is_valid(value))
        context.filtered(len(longer) - len(kept))
        return kept

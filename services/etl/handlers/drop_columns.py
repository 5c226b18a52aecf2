"""Remove columns by name."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import ColumnNames, Columns
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import NoColumnLeft
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class DropColumns(Handler):
    """Remove columns by name.

    With `missing: ignore` a column that is not there is no error: useful where one list serves many sources.
    """

    name = "drop_columns"
    examples = ({"columns": ["note"]}, {"columns": ["note", "remark"], "missing": "ignore"})

    class Params(Handler.Params):
        columns: ColumnNames = Field(description="The columns to remove.")
        missing: Literal["fail", "ignore"] = Field(
            default="fail", description="What to do about a column that is not there."
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        dropped = self.params.columns
        if self.params.missing == "ignore":
            dropped = [name for name in dropped if name in columns]
        kept = columns.without(dropped, loc=("columns",))
        if not len(kept):
            raise NoColumnLeft(loc=("columns",))
        return kept

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        return frame.drop(columns=self.params.columns, errors="ignore")

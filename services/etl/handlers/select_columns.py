"""Keep some columns, in the order given, or remove them."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import ColumnNames, Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class SelectColumns(Handler):
    """Keep some columns, in the order given, or remove them."""

    name = "select_columns"
    examples = ({"columns": ["carrier", "flight"]}, {"columns": ["note"], "action": "drop"})

    class Params(Handler.Params):
        columns: ColumnNames = Field(description="The columns to keep or to remove.")
        action: Literal["keep", "drop"] = Field(default="keep", description="Keep or remove them.")

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        if self.params.action == "keep":
            return columns.only(self.params.columns, loc=("columns",))
        return columns.without(self.params.columns, loc=("columns",))

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        if self.params.action == "keep":
            return frame[self.params.columns]
        return frame.drop(columns=self.params.columns)

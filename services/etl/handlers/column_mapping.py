"""Rename columns."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class ColumnMapping(Handler):
    """Rename columns.

    Names may be exchanged in one step. Columns that are not named keep their names, or go.
    """

    name = "column_mapping"
    examples = ({"mapping": {"dest": "destination"}},)

    class Params(Handler.Params):
        mapping: dict[ColumnName, ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="New name of each column, by its present name.",
            json_schema_extra={"x-widget": "column-mapping"},
        )
        others: Literal["keep", "drop"] = Field(
            default="keep", description="What becomes of the columns that are not named."
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        renamed = columns.renamed(self.params.mapping, loc=("mapping",))
        if self.params.others == "keep":
            return renamed
        kept = set(self.params.mapping.values())
        return Columns(column for column in renamed if column.name in kept)

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        if self.params.others == "drop":
            frame = frame[[name for name in frame.columns if name in self.params.mapping]]
        return frame.rename(columns=self.params.mapping)

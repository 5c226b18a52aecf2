"""Keep one row for each key."""

from typing import TYPE_CHECKING

from pydantic import Field

from services.etl.columns import ColumnNames, Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline.context import Context
from services.etl.pipeline.errors import KeySetFull

if TYPE_CHECKING:
    from pandas import DataFrame


class Deduplicate(Handler):
    """Keep one row for each key: the first one in the order of the source.

    Looks at the whole source, not at one batch: it remembers the keys it has seen, and fails with
    `key_set_full` when there are more than `max_keys`. Two NULLs count as equal. For larger tables let the
    destination do it: an upsert by key holds any number.
    """

    name = "deduplicate"
    examples = ({"columns": ["carrier", "flight", "time_hour"]},)

    class Params(Handler.Params):
        columns: ColumnNames = Field(description="The columns that make the key.")
        max_keys: int = Field(
            default=1_000_000, ge=1, le=5_000_000, description="Different keys that are remembered."
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        columns.only(self.params.columns, loc=("columns",))
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.pipeline import frames, keys

        seen: set[bytes] = context.state.setdefault("seen", set())
        mask = keys.first_of_each([frames.arrow_column(frame, name) for name in self.params.columns], seen)
        if len(seen) > self.params.max_keys:
            raise KeySetFull(limit=self.params.max_keys)
        kept = frames.keep_rows(frame, mask)
        context.deduplicated(len(frame) - len(kept))
        return kept

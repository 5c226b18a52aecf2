"""Take the text of a column apart into several columns."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import TEXT, Column, ColumnDuplicate, ColumnName, Columns
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, is_text, require_one
from services.etl.pipeline.conditions import check_pattern
from services.etl.pipeline.context import Context
from shared.errors import Invalid

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_PARTS = 100


class SplitUnclear(Invalid):
    """The column can't be split: {reason}."""


class SplitColumn(Handler):
    """Take the text of a column apart into several columns.

    By a `delimiter`, by the groups of a regular expression as RE2 knows it (`pattern`, found anywhere in the
    text), or by `widths` in characters. All parts are text, and an empty part is the empty text, not NULL.
    NULL gives NULL parts. Say by `too_few` and `too_many` what becomes of rows with other numbers of parts;
    a text that a pattern doesn't match has none.
    """

    name = "split_column"
    examples = (
        {"column": "route", "into": ["start", "end"], "delimiter": "-"},
        {"column": "code", "into": ["letters", "digits"], "by": "pattern", "pattern": "^([A-Z]+)([0-9]+)$"},
        {"column": "place", "into": ["country", "city"], "by": "widths", "widths": [2, 3], "keep": False},
    )

    class Params(Handler.Params):
        column: ColumnName = Field(
            description="The column to split.",
            json_schema_extra={"x-widget": "column", "x-column-types": ["text", "varchar"]},
        )
        into: list[ColumnName] = Field(
            min_length=1, max_length=MAX_PARTS, description="Names of the columns that get the parts."
        )
        by: Literal["delimiter", "pattern", "widths"] = "delimiter"
        delimiter: str = Field(default=",", min_length=1, max_length=100)
        pattern: str = Field(
            default="", max_length=1000, description="A regular expression with one group for each part."
        )
        widths: list[int] = Field(
            default=[], max_length=MAX_PARTS, description="Characters of each part, for `by: widths`."
        )
        too_few: Literal["null", "reject"] = Field(
            default="null", description="Make missing parts NULL, or reject the row."
        )
        too_many: Literal["reject", "keep_rest", "drop"] = Field(
            default="reject", description="Reject the row, leave the rest in the last part, or drop it."
        )
        trim: bool = Field(default=False, description="Take blanks from both ends of each part.")
        keep: bool = Field(default=True, description="Keep the column that was split.")

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults = Faults()
        with faults.inside():
            require_one(columns, self.params.column, is_text, wanted="text", loc=("column",))
        kept = [column for column in columns if self.params.keep or column.name != self.params.column]
        taken = {column.name for column in kept}
        for position, name in enumerate(self.params.into):
            with faults.inside():
                if name in taken:
                    raise ColumnDuplicate(loc=("into", position), name=name)
            taken.add(name)
        with faults.inside():
            self._check_way()
        faults.complain()
        return Columns([*kept, *(Column(name=name, type=TEXT) for name in self.params.into)])

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _parts
        from services.etl.pipeline import frames

        array = frames.arrow_column(frame, self.params.column)
        parts = _parts.split(array, self.params)
        for name, part in zip(self.params.into, parts.columns, strict=True):
            frame = frames.with_column(frame, name, part)
        if self.params.column not in self.params.into and not self.params.keep:
            frame = frame.drop(columns=[self.params.column])
        return context.reject(frame, _parts.rejected(parts.bad, self.params, array, frame.index))

    def _check_way(self) -> None:
        wanted = len(self.params.into)
        if self.params.by == "widths":
            if len(self.params.widths) != wanted:
                reason = f"there are {len(self.params.widths)} widths for {wanted} parts"
                raise SplitUnclear(loc=("widths",), reason=reason)
            if min(self.params.widths) < 1:
                raise SplitUnclear(loc=("widths",), reason="a width is at least 1")
        if self.params.by == "pattern":
            self._check_pattern(wanted)

    def _check_pattern(self, wanted: int) -> None:
        import re2

        if not self.params.pattern:
            raise SplitUnclear(loc=("pattern",), reason="there is no pattern")
        check_pattern(self.params.pattern, loc=("pattern",))
        groups = re2.compile(self.params.pattern).groups
        if groups != wanted:
            reason = f"the pattern has {groups} groups for {wanted} parts; (?:...) is no group"
            raise SplitUnclear(loc=("pattern",), reason=reason)

"""Give columns other types."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import ColumnName, Columns, ColumnType, ColumnTypeText
from services.etl.handlers._base import Handler
from services.etl.pipeline import conversions
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.date_formats import parse_format
from services.etl.pipeline.errors import TypeMismatch
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.timezones import TimeZoneName
from shared.errors import Fault, Invalid, PenstockError

if TYPE_CHECKING:
    from pandas import DataFrame

    from services.etl.pipeline.casting import BadCell, Cast


class CastImpossible(Invalid):
    """The columns can't be cast: {reason}."""


class CastTwice(Invalid):
    """Column {column!r} is cast twice in one step."""


class CastColumn(BaseModel):
    """A column, its new type, and how its values are written where they are text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: ColumnName = Field(json_schema_extra={"x-widget": "column"})
    type: ColumnTypeText
    format: str | None = Field(
        default=None, max_length=80, description="Format of dates and times, as %d/%m/%Y; ISO 8601 without."
    )
    timezone: TimeZoneName | None = Field(default=None, description="Zone of times that are written without.")
    decimal_sign: Literal[".", ","] = "."
    on_error: Literal["reject", "null"] = Field(
        default="reject", description="Reject the row of a value that doesn't fit, or make the value NULL."
    )

    def form(self) -> TextForm:
        """How values are spelled where they are text."""
        return TextForm(format=self.format, timezone=self.timezone, decimal_sign=self.decimal_sign, trim=True)


class CastTypes(Handler):
    """Give columns other types.

    A value is kept exactly or it doesn't fit: nothing is rounded or cut. Rows with a value that doesn't fit
    are rejected with the value and the reason. Blanks around text values are ignored.
    """

    name = "cast_types"
    examples = (
        {"columns": [{"column": "year", "type": "int16"}]},
        {"columns": [{"column": "day", "type": "date", "format": "%d/%m/%Y", "on_error": "null"}]},
    )

    class Params(Handler.Params):
        columns: list[CastColumn] = Field(
            min_length=1, max_length=1000, json_schema_extra={"x-widget": "table"}
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns_in = Columns.EMPTY

    def columns_out(self, columns: Columns) -> Columns:
        faults: list[Fault] = []
        for position, cast in enumerate(self.params.columns):
            try:
                self._check(cast, columns, position)
            except PenstockError as error:
                faults += error.all_faults()
        if faults:
            raise CastImpossible(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))
        self._columns_in = columns
        return self._retyped(columns)

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.pipeline import frames

        rejected: list[RejectedRow] = []
        for cast in self.params.columns:
            done = self._cast(cast, frames.arrow_column(frame, cast.column))
            frame = frames.with_column(frame, cast.column, done.array)
            if cast.on_error == "reject":
                rejected += [self._rejected(cast, cell, int(frame.index[cell.row])) for cell in done.bad]
        return context.reject(frame, rejected)

    def _rejected(self, cast: CastColumn, cell: "BadCell", record: int) -> RejectedRow:
        return RejectedRow(record, cast.column, cell.value, str(cast.type), cell.code, cell.reason)

    def _cast(self, cast: CastColumn, array: Any) -> "Cast":
        from services.etl.pipeline import casting, text_casting

        if self._source(cast).is_text:
            return text_casting.from_text(array, cast.type, self._forms[cast.column])
        return casting.between(array, cast.type, timezone=cast.timezone)

    @cached_property
    def _forms(self) -> dict[str, TextForm]:
        return {cast.column: cast.form() for cast in self.params.columns}

    def _source(self, cast: CastColumn) -> ColumnType:
        return self._columns_in.get(cast.column).type

    def _check(self, cast: CastColumn, columns: Columns, position: int) -> None:
        loc = ("columns", position)
        source = columns.get(cast.column, loc=(*loc, "column")).type
        if any(other.column == cast.column for other in self.params.columns[:position]):
            raise CastTwice(loc=(*loc, "column"), column=cast.column)
        if cast.format is not None and cast.type.kind in {"date", "time", "timestamp", "timestamptz"}:
            parse_format(cast.format, cast.type.kind, loc=(*loc, "format"))
        if not conversions.can_cast(source, cast.type):
            raise TypeMismatch(
                loc=(*loc, "type"), column=cast.column, given=source, wanted=cast.type,
                hint="no value of the one is a value of the other",
            )  # fmt: skip
        if conversions.needs_timezone(source, cast.type) and cast.timezone is None:
            raise TypeMismatch(
                loc=(*loc, "timezone"), column=cast.column, given=source, wanted=cast.type,
                hint="say which zone its times are in",
            )  # fmt: skip

    def _retyped(self, columns: Columns) -> Columns:
        changed = columns.retyped({cast.column: cast.type for cast in self.params.columns})
        nullable = {cast.column for cast in self.params.columns if cast.on_error == "null"}
        return Columns(
            column.model_copy(update={"nullable": True}) if column.name in nullable else column
            for column in changed
        )

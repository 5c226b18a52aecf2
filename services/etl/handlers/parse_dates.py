"""Read dates and times from text or numbers."""

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from services.etl.columns import ColumnName, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, require
from services.etl.pipeline.context import Context
from services.etl.pipeline.date_formats import parse_format
from services.etl.pipeline.timezones import TimeZoneName
from shared.errors import Invalid

if TYPE_CHECKING:
    from pandas import DataFrame

EPOCHS: Final = {"epoch_seconds": 1_000_000, "epoch_millis": 1000, "epoch_micros": 1}
"""Names of formats that count from 1970 in UTC, and the microseconds of their unit."""
ISO: Final = "iso"


class ZoneNeeded(Invalid):
    """The format {text!r} has no zone: say which zone its times are in."""


class NumberFormatMissing(Invalid):
    """Column {column!r} holds numbers: one of the formats must be {known}."""


class ParseDates(Handler):
    """Read dates and times from text or numbers.

    The formats are tried in order, and the first one that gives a date counts: 03/04/2026 is read by the
    first of `%d/%m/%Y` and `%m/%d/%Y`. Formats are made of %Y, %y, %m, %b, %B, %d, %H, %I, %p, %M, %S, %f
    and %z (names of months are English), or are `iso`, `epoch_seconds` (with a fraction, if there is one),
    `epoch_millis` or `epoch_micros`. Blanks at both ends are ignored; 31 February is no date.

    `timezone` is the zone of times that are written without one. Where its clocks are changed, a time may be
    skipped (`gap`) or there twice (`overlap`): the row is rejected, or takes the earlier or the later of the
    two moments. Counted times become dates and times as the clocks of `timezone` show them, else of UTC.
    """

    name = "parse_dates"
    examples = (
        {"columns": ["day"], "formats": ["%d/%m/%Y", "iso"]},
        {
            "columns": ["departure"],
            "type": "timestamptz",
            "timezone": "America/New_York",
            "overlap": "earlier",
        },
        {"columns": ["seen"], "type": "timestamptz", "formats": ["epoch_millis"]},
    )

    class Params(Handler.Params):
        columns: list[ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="The columns to read.",
            json_schema_extra={
                "x-widget": "columns",
                "x-column-types": ["text", "varchar", "int16", "int32", "int64"],
            },
        )
        type: Literal["date", "timestamp", "timestamptz"] = Field(
            default="date", description="The type that the columns get."
        )
        formats: list[str] = Field(
            default=[ISO], min_length=1, max_length=20, description="Formats, tried in order."
        )
        timezone: TimeZoneName | None = Field(
            default=None, description="Zone of times that are written without."
        )
        gap: Literal["reject", "earlier", "later"] = Field(
            default="reject", description="What a time is that the clocks of the zone skip."
        )
        overlap: Literal["reject", "earlier", "later"] = Field(
            default="reject", description="What a time is that the clocks of the zone show twice."
        )
        pivot: int = Field(
            default=70, ge=0, le=100, description="Years of two digits below it are of 20.., others of 19..."
        )
        on_error: Literal["reject", "null"] = Field(
            default="reject", description="Reject the row of a value that is no date, or make the value NULL."
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._target = ColumnType(params.type)

    def columns_out(self, columns: Columns) -> Columns:
        named, faults = self.params.columns, Faults()
        with faults.inside():
            chosen = require(columns, named, _is_readable, wanted="text or whole numbers", loc=("columns",))
            for position, column in enumerate(chosen):
                if column.type.is_integer and not EPOCHS.keys() & set(self.params.formats):
                    loc, known = ("columns", position), ", ".join(EPOCHS)
                    raise NumberFormatMissing(loc=loc, column=column.name, known=known)
        for position, text in enumerate(self.params.formats):
            with faults.inside():
                self._check_format(text, position)
        faults.complain()
        nulled = set(named) if self.params.on_error == "null" else set[str]()
        return Columns(
            column.model_copy(update={"nullable": True}) if column.name in nulled else column
            for column in columns.retyped(dict.fromkeys(named, self._target))
        )

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _casts, _dates
        from services.etl.pipeline import frames

        casts = {
            name: (_dates.read(frames.arrow_column(frame, name), self.params), str(self._target))
            for name in self.params.columns
        }
        return _casts.settled(frame, casts, context, on_error=self.params.on_error)

    def _check_format(self, text: str, position: int) -> None:
        if text == ISO or text in EPOCHS:
            return
        loc = ("formats", position)
        found = parse_format(text, self.params.type, loc=loc, further=True)
        if self.params.type == "timestamptz" and "zone" not in found.groups and self.params.timezone is None:
            raise ZoneNeeded(loc=("timezone",), text=text)


def _is_readable(kind: ColumnType) -> bool:
    return kind.is_text or kind.is_integer

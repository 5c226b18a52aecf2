"""Tidy the text of some columns."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import is_text, require
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class CleanText(Handler):
    """Tidy the text of some columns.

    What is asked for is done in this order: the Unicode normal form; removing characters; runs of blanks
    become one space; blanks at both ends go; upper or lower case, one character for one (ß has no upper case
    of two letters here); empty texts become NULL. Blanks are all white space of Unicode. Control characters
    are those of Unicode's category Cc but tab and line ends; invisible ones those of Cf, such as zero width
    joiners, which some scripts and emoji need.
    """

    name = "clean_text"
    examples = (
        {"columns": ["tailnum"], "case": "upper", "empty_to_null": True},
        {"columns": ["note"], "collapse": True, "normal_form": "NFC", "remove": ["control"]},
    )

    class Params(Handler.Params):
        columns: list[ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="The columns to tidy.",
            json_schema_extra={"x-widget": "columns", "x-column-types": ["text", "varchar"]},
        )
        normal_form: Literal["keep", "NFC", "NFD", "NFKC", "NFKD"] = Field(
            default="keep", description="Normal form of Unicode (UAX 15)."
        )
        remove: list[Literal["control", "invisible"]] = Field(
            default=[], max_length=2, description="Kinds of characters that go."
        )
        collapse: bool = Field(default=False, description="Make one space of each run of blanks.")
        trim: bool = Field(default=True, description="Take blanks from both ends.")
        case: Literal["keep", "lower", "upper", "title"] = "keep"
        empty_to_null: bool = Field(default=False, description="Make NULL of what is empty then.")

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY

    def columns_out(self, columns: Columns) -> Columns:
        require(columns, self.params.columns, is_text, wanted="text", loc=("columns",))
        self._columns = columns
        if not self.params.empty_to_null:
            return columns
        return Columns(
            column.model_copy(update={"nullable": True}) if column.name in self.params.columns else column
            for column in columns
        )

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _casts, _text
        from services.etl.pipeline import casting, frames

        casts = {}
        for name in self.params.columns:
            array, kind = frames.arrow_column(frame, name), self._columns.get(name).type
            cleaned = casting.Cast(_text.cleaned(array, self.params))
            casts[name] = (casting.within_limits(cleaned, kind, shown=array), str(kind))
        return _casts.settled(frame, casts, context)

"""Hide values that not everyone may see."""

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from services.etl.columns import Column, ColumnName, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import ColumnsUnfit, Faults, require
from services.etl.pipeline import literals
from services.etl.pipeline.context import Context
from services.etl.pipeline.literals import literal
from shared.errors import Invalid

if TYPE_CHECKING:
    from pandas import DataFrame

HASH: Final = ColumnType("varchar", length=64)
TEXT: Final = ColumnType("text")


class MaskUnclear(Invalid):
    """The values can't be masked: {reason}."""


class MaskValues(Handler):
    """Hide values that not everyone may see.

    `partial` leaves the first and last characters and puts a sign for each other one; a text that has no
    other ones is hidden as a whole. `email` leaves the first character and the domain (`j***@example.org`).
    `hash` puts the SHA-256 of the salt and the text, in hexadecimal: equal values stay equal, so that they
    can be joined. The salt is a parameter and no secret: who reads the task can find short or guessable
    values, such as phone numbers, by trying. `constant` puts one value and `null` none. NULL stays NULL.
    Values that are no text are masked as `cast_types` spells them.
    """

    name = "mask_values"
    examples = (
        {"columns": ["card"], "method": "partial", "last": 4},
        {"columns": ["mail"], "method": "email"},
        {"columns": ["customer"], "method": "hash", "salt": "orders"},
        {"columns": ["name"], "method": "constant", "value": "hidden"},
    )

    class Params(Handler.Params):
        columns: list[ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="The columns to mask.",
            json_schema_extra={"x-widget": "columns"},
        )
        method: Literal["partial", "email", "hash", "constant", "null"] = "partial"
        first: int = Field(default=0, ge=0, le=1000, description="Characters left at the beginning.")
        last: int = Field(default=0, ge=0, le=1000, description="Characters left at the end.")
        sign: str = Field(
            default="*", min_length=1, max_length=1, description="What stands for a character that is hidden."
        )
        salt: str = Field(
            default="", max_length=1000, description="Text before each value that is hashed. Not a secret."
        )
        value: literals.Literal | None = Field(default=None, description="The value of `constant`.")

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY

    def columns_out(self, columns: Columns) -> Columns:
        chosen = require(
            columns, self.params.columns, self._can_mask, wanted="a type with a text form", loc=("columns",)
        )
        if self.params.method == "constant":
            self._check_value(chosen)
        self._columns = columns
        return Columns(
            self._masked_column(column) if column.name in self.params.columns else column
            for column in columns
        )

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        from services.etl.pipeline import frames

        for name in self.params.columns:
            masked = self._masked(frames.arrow_column(frame, name), self._columns.get(name).type)
            frame = frames.with_column(frame, name, masked)
        return frame

    def _masked(self, array: Any, kind: ColumnType) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        from services.etl.handlers import _casts, _masks

        if self.params.method == "null":
            return pa.nulls(len(array), array.type)
        if self.params.method == "constant":
            assert self.params.value is not None
            put = pa.scalar(literal(self.params.value, kind), array.type)
            return pc.if_else(pc.is_valid(array), put, pa.scalar(None, array.type))
        if self.params.method == "hash":
            return _masks.hashed(array if kind.kind == "bytes" else _casts.as_text(array), self.params.salt)
        text = _casts.as_text(array)
        if self.params.method == "email":
            return _masks.email(text, self.params.sign)
        return _masks.partial(text, self.params.first, self.params.last, self.params.sign)

    def _masked_column(self, column: Column) -> Column:
        if self.params.method == "null":
            return column.model_copy(update={"nullable": True})
        if self.params.method == "constant":
            return column
        if self.params.method == "hash":
            return column.model_copy(update={"type": HASH})
        same = self.params.method == "partial" and column.type.is_text
        return column if same else column.model_copy(update={"type": TEXT})

    def _can_mask(self, kind: ColumnType) -> bool:
        if self.params.method == "email":
            return kind.is_text
        return self.params.method != "partial" or kind.kind != "bytes"

    def _check_value(self, chosen: list[Column]) -> None:
        if self.params.value is None:
            raise MaskUnclear(loc=("value",), reason="there is no constant; the method null puts NULL")
        faults = Faults()
        for column in chosen:
            with faults.inside():
                if column.type.kind == "json":
                    raise ColumnsUnfit(loc=("value",), reason="JSON takes no constant; cast it before")
                literal(self.params.value, column.type, loc=("value",))
        faults.complain()

"""Put a value where there is none."""

from typing import TYPE_CHECKING

from pydantic import Field

from services.etl.columns import ColumnName, Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline import literals
from services.etl.pipeline.context import Context
from services.etl.pipeline.literals import literal
from shared.errors import Fault, Invalid, PenstockError

if TYPE_CHECKING:
    from pandas import DataFrame


class FillImpossible(Invalid):
    """The columns can't be filled: {reason}."""


class FillMissing(Handler):
    """Put a value where there is none.

    NULL becomes the value given for the column. An empty text is not NULL and stays.
    """

    name = "fill_missing"
    examples = ({"values": {"tailnum": "unknown", "dep_delay": 0}},)

    class Params(Handler.Params):
        values: dict[ColumnName, literals.Literal] = Field(
            min_length=1,
            max_length=1000,
            description="The value for each column; decimals, dates and times as text.",
            json_schema_extra={"x-widget": "column-values"},
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY
        self._fillers = params.values  # noqa: PD011  these are parameters, not a frame

    def columns_out(self, columns: Columns) -> Columns:
        faults: list[Fault] = []
        for name, value in self._fillers.items():
            try:
                literal(value, columns.get(name, loc=("values", name)).type, loc=("values", name))
            except PenstockError as error:
                faults += error.all_faults()
        if faults:
            raise FillImpossible(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))
        self._columns = columns
        return Columns(
            column.model_copy(update={"nullable": False}) if column.name in self._fillers else column
            for column in columns
        )

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        import pyarrow as pa
        import pyarrow.compute as pc

        from services.etl.pipeline import frames

        for name, value in self._fillers.items():
            array = frames.arrow_column(frame, name)
            if array.null_count:
                filler = pa.scalar(literal(value, self._columns.get(name).type), array.type)
                frame = frames.with_column(frame, name, pc.fill_null(array, filler))
        return frame

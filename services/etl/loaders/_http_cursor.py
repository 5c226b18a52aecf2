"""How far an API was read: the greatest value of the cursor's column, as the API spells it.

What is kept is that value twice: typed, so that it can be compared with others, and as the answer had it,
which is what the next run sends. CSV has no spelling of its own here: ISO 8601 is sent, and plain numbers.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import orjson
import pyarrow.compute as pc

from services.etl.columns import Column
from services.etl.loaders._base import Batch
from services.etl.loaders.http import Http
from services.etl.pipeline.errors import SourceChanged
from services.etl.pipeline.json_paths import found, loads, spelled

_PARSED: Final[Mapping[str, Callable[[str], Any]]] = {
    "int16": int,
    "int32": int,
    "int64": int,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "text": str,
    "varchar": str,
}


class Cursor:
    """The greatest value so far, begun with the one of the last run. Raises SourceChanged for another's."""

    def __init__(self, loader: Http, kept: str | None) -> None:
        name = loader.params.cursor_column
        self._column: Column | None = None if name is None else loader.columns_out().get(name)
        declared = [column for column in loader.params.columns if column.name == name]
        self._place = declared[0].place if declared and loader.params.format != "csv" else None
        self._greatest: Any = None
        self.sent = loader.params.cursor_start
        self._grown = False
        if kept is not None and self._column is not None:
            self._greatest, self.sent = _read(kept, self._column)

    def saw(self, batch: Batch) -> None:
        """Rows that were read."""
        if self._column is None or not len(batch.rows):
            return
        values = batch.rows.column(self._column.name)
        highest = pc.max(values)
        if not highest.is_valid or (self._greatest is not None and highest.as_py() <= self._greatest):
            return
        self._greatest, self._grown = highest.as_py(), True
        self.sent = self._as_written(batch, pc.index(values, highest).as_py())

    @property
    def kept(self) -> str | None:
        """What the next run begins with; None leaves it as it was."""
        if self._column is None or not self._grown:
            return None
        value = _text(self._greatest)
        return orjson.dumps({"column": self._column.name, "value": value, "sent": self.sent}).decode()

    def _as_written(self, batch: Batch, row: int) -> str:
        if self._place is not None and batch.raw is not None:
            (raw,) = batch.raw([int(batch.records[row])])
            written = spelled(found(self._place, loads(raw))) if raw is not None else None
            if written is not None:
                return written
        return _text(self._greatest)


def _read(kept: str, column: Column) -> tuple[Any, str]:
    try:
        read = orjson.loads(kept)
        name, value, sent = read["column"], read["value"], read["sent"]
        if name == column.name:
            return _PARSED[column.type.kind](value), str(sent)
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError, ArithmeticError):
        raise SourceChanged(reason="the cursor that was kept is not one of this loader: restart") from None
    raise SourceChanged(
        reason=f"the cursor that was kept is of column {name!r} and not {column.name!r}: restart"
    )


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat().replace("+00:00", "Z")
    return str(value)

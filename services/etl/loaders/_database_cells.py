"""From raw cells of a database to rows of the declared types, with the rows apart that don't fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Column, Columns
from services.etl.loaders._base import Batch
from services.etl.pipeline import column_bytes
from services.etl.pipeline.arrow_types import arrow_schema, arrow_type
from services.etl.pipeline.casting import BadCell, Cast, blank, isolate, rows_where, within_limits
from services.etl.pipeline.condition_masks import mask
from services.etl.pipeline.conditions import Condition
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import from_text

_FORM: Final = TextForm(timezone="UTC", true_tokens=("t", "true", "1"), false_tokens=("f", "false", "0"))
_ZERO_DATE: Final = r"^(0000-|\d{4}-00-|\d{4}-\d{2}-00)"
_CURSOR_NULL: Final = "cursor_null", "is NULL, so that no run can know whether it was read"


Texts = Callable[[Sequence[int]], list[str | None]]


@dataclass(frozen=True, slots=True)
class Raw:
    """Cells as they came. Each column is of its declared type, or text or bytes that spell such values.

    `bad` are cells that the engine itself knows to be of another type, by the position of their column.
    `last` is the key of the last row, where rows come in the order of a key.
    """

    arrays: Sequence[Any]
    bad: Sequence[tuple[int, BadCell]] = ()
    last: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.arrays[0])


@dataclass(frozen=True, slots=True)
class Contract:
    """What rows must be: their columns, which rows are wanted, what has to have a value."""

    columns: Columns
    where: Condition | None = None
    cursor_column: str | None = None
    null_zero_dates: bool = False


def typed(raw: Raw, contract: Contract, *, first: int) -> Batch:
    """The rows of a block as a batch. The first of them is record `first` + 1."""
    arrays, bad = [], dict[int, tuple[Column, BadCell]]()
    known = list(raw.bad)
    for position, (column, array) in enumerate(zip(contract.columns, raw.arrays, strict=True)):
        cast = _column(array, column, contract, [cell for at, cell in known if at == position])
        arrays.append(cast.array)
        for cell in cast.bad:
            bad.setdefault(cell.row, (column, cell))
    records = np.arange(first + 1, first + 1 + len(raw), dtype=np.int64)
    rows = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(contract.columns))
    texts = _texts(raw, contract.columns, first)
    rejected = [_rejected(int(records[row]), *bad[row], texts) for row in sorted(bad)]
    if bad:
        fine = np.ones(len(records), dtype=bool)
        fine[list(bad)] = False
        rows, records = rows.filter(pa.array(fine)), records[fine]
    good = len(rows)
    if contract.where is not None:
        wanted = pc.fill_null(_wanted(rows, contract), fill_value=False)
        records = records[wanted.to_numpy(zero_copy_only=False)]
        rows = rows.filter(wanted)
    return Batch(
        rows=rows,
        records=records,
        lines=np.zeros(len(records), np.int64),
        rows_read=len(raw),
        rejected=rejected,
        rejected_lines=[None] * len(rejected),
        filtered=good - len(rows),
        raw=texts,
    )


def _wanted(rows: Any, contract: Contract) -> Any:
    assert contract.where is not None
    arrays = {name: rows.column(name) for name in contract.columns.names}
    return mask(contract.where, contract.columns, arrays)


def _column(array: Any, column: Column, contract: Contract, known: list[BadCell]) -> Cast:
    if known:
        array = blank(array, [cell.row for cell in known])
    if array.type == arrow_type(column.type):
        cast = _checked(array, column)
    elif column.type.kind == "bytes" and pa.types.is_binary(array.type):
        cast = Cast(array)
    else:
        cast = _spelled(array, column, contract)
    cast.bad = sorted([*known, *cast.bad], key=lambda cell: cell.row)
    if cast.array.null_count > len(cast.bad):
        if column.name == contract.cursor_column:
            cast.add_nulls(*_CURSOR_NULL)
        elif not column.nullable:
            cast.add_nulls("null_not_allowed", "is NULL, which the column may not be")
    return cast


def _checked(array: Any, column: Column) -> Cast:
    """Values of the type itself; texts of a database hold no NUL, but those of SQLite may."""
    if column.type.kind in {"json", "uuid"}:
        return Cast(array)
    return _without_nul(within_limits(Cast(array), column.type, shown=array), array)


def _without_nul(cast: Cast, array: Any) -> Cast:
    if not pa.types.is_string(array.type) or not column_bytes.holds_any(array, b"\x00"):
        return cast
    nul = rows_where(pc.match_substring(array, "\x00"))
    cells = [BadCell(row, array[row].as_py(), "nul_character", "holds a NUL character") for row in nul]
    return Cast(blank(cast.array, nul) if nul else cast.array, [*cast.bad, *cells])


def _spelled(array: Any, column: Column, contract: Contract) -> Cast:
    text, undecodable = array, list[int]()
    if not pa.types.is_string(array.type):
        text, undecodable = isolate(lambda part: pc.cast(part, pa.string()), array)
    bad = [
        BadCell(row, array[row].as_py().decode(errors="replace"), "invalid_encoding", "is not UTF-8")
        for row in undecodable
    ]
    if contract.null_zero_dates and column.type.kind in {"date", "timestamp", "timestamptz"}:
        zero = rows_where(pc.match_substring_regex(text, _ZERO_DATE))
        text = blank(text, zero) if zero else text
    cast = from_text(text, column.type, _FORM)
    if column.type.is_text:
        cast = _without_nul(cast, text)
    return Cast(cast.array, bad + cast.bad)


def _rejected(record: int, column: Column, cell: BadCell, texts: Texts) -> RejectedRow:
    (raw,) = texts([record])
    return RejectedRow(record, column.name, cell.value, str(column.type), cell.code, cell.reason, raw)


def _texts(raw: Raw, columns: Columns, first: int) -> Texts:
    """The raw text of a record: a JSON object of its cells."""
    odd = {(at, cell.row): cell.value for at, cell in raw.bad}

    def text(record: int) -> str | None:
        row = record - first - 1
        if not 0 <= row < len(raw):
            return None
        cells = [
            odd[at, row] if (at, row) in odd else _shown(array[row].as_py())
            for at, array in enumerate(raw.arrays)
        ]
        return orjson.dumps(dict(zip(columns.names, cells, strict=True))).decode()

    return lambda records: [text(record) for record in records]


def _shown(value: Any) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return None if value is None else str(value)

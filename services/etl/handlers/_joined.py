"""The work of `join` on Arrow: the rows of the further source, the SQL, and what becomes of each row."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from services.etl.columns import Columns
from services.etl.pipeline import duck_sql
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import display
from services.etl.pipeline.context import Context, RejectedRow

if TYPE_CHECKING:
    from services.etl.handlers.join import Join

NO_MATCH: Final = "no_match", "matches no row of the further source"
HAS_MATCH: Final = "has_match", "matches a row of the further source"
SEVERAL: Final = "several_matches", "matches several rows of the further source"


class Further:
    """The rows of the further source, numbered in `rseq`: what is used of its columns as `r0`, `r1`, ..."""

    def __init__(self, batches: Iterable[Any], columns: Columns, used: set[str]) -> None:
        self._batches = batches
        self._used = [(at, column) for at, column in enumerate(columns) if column.name in used]
        plain = [pa.field(f"r{at}", arrow_type(column.type)) for at, column in self._used]
        self.schema = pa.schema([pa.field("rseq", pa.int64()), *plain])

    def __iter__(self) -> Iterator[Any]:
        first = 0
        for batch in self._batches:
            numbers = pa.array(np.arange(first, first + len(batch)))
            first += len(batch)
            used = [batch.column(at) for at, _ in self._used]
            yield pa.RecordBatch.from_arrays([numbers, *used], schema=self.schema)


def query(params: "Join.Params", left: Columns, right: Columns) -> str:
    """Every row by its `seq` with its matches: `times` (NULL without one), then the columns that are taken.

    A key is cast to the type in which both sides compare exactly.
    """
    at_left, at_right = _places(left), _places(right)
    kinds = [duck_sql.common_type(left.get(key.left).type, right.get(key.right).type) for key in params.keys]
    keys = ", ".join(f"k{at}" for at in range(len(kinds)))
    cast = ", ".join(
        f"CAST(r{at_right[key.right]} AS {kind}) AS k{at}"
        for at, (key, kind) in enumerate(zip(params.keys, kinds, strict=True))
    )
    equal = [
        f"CAST(c{at_left[key.left]} AS {kind}) = k{at}"
        for at, (key, kind) in enumerate(zip(params.keys, kinds, strict=True))
    ]
    if params.several != "multiply" or not params.returns_columns:
        equal.append("nth = 1")
    shown = ["seq", "times", *(f"r{at_right[taken.column]}" for taken in params.taken)]
    return f"""
        WITH keyed AS (SELECT *, {cast} FROM further),
        matches AS (
            SELECT *, count(*) OVER (PARTITION BY {keys}) AS times,
                row_number() OVER (PARTITION BY {keys} ORDER BY rseq) AS nth
            FROM keyed
        )
        SELECT {", ".join(shown)}
        FROM given LEFT JOIN matches ON {" AND ".join(equal)}
        ORDER BY seq, rseq
    """  # noqa: S608  names and types of our own making


def _places(columns: Columns) -> dict[str, int]:
    return {name: at for at, name in enumerate(columns.names)}


class Outcome:
    """What becomes of the rows of `query`, batch by batch, declared in the context."""

    def __init__(self, params: "Join.Params", context: Context) -> None:
        self._params = params
        self._context = context
        self._key = params.keys[0].left
        self._last = -1

    def kept(self, rows: Any, matches: Any) -> Any:
        """The rows that stay, with their marks and the columns that the step gives."""
        times = matches.column(1).fill_null(0).to_numpy()
        matched = times > 0
        wanted = {"left": np.ones(len(times), bool), "anti": ~matched}.get(self._params.how, matched)
        several = np.zeros(len(times), bool)
        if self._params.several == "reject" and self._params.returns_columns:
            several = wanted & (times > 1)
        self._gone(rows, ~wanted)
        self._reject(rows, several, SEVERAL)
        arrays = [*rows.columns, *matches.columns[2:]]
        joined = pa.RecordBatch.from_arrays(arrays, names=[str(at) for at in range(len(arrays))])
        stay = joined.filter(pa.array(wanted & ~several))
        self._count_more(stay.column(0))
        return stay

    def _gone(self, batch: Any, mask: Any) -> None:
        if self._params.dropped == "reject":
            self._reject(batch, mask, HAS_MATCH if self._params.how == "anti" else NO_MATCH)
        else:
            self._context.filtered(int(np.count_nonzero(mask)))

    def _reject(self, batch: Any, mask: Any, why: tuple[str, str]) -> None:
        values = batch.column(3 + self._context.columns_in.names.index(self._key))
        self._context.rejects(
            [
                RejectedRow(batch.column(1)[row].as_py(), self._key, display(values[row]), None, *why)
                for row in np.flatnonzero(mask).tolist()
            ]
        )

    def _count_more(self, seq: Any) -> None:
        """Declare rows that stand beside another one of the same row that came in."""
        numbers = seq.to_numpy()
        if len(numbers):
            before = np.concatenate([[self._last], numbers[:-1]])
            self._context.added(int(np.count_nonzero(numbers == before)))
            self._last = int(numbers[-1])

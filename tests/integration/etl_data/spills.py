"""A whole-table step over more rows than its memory holds: tells how many came out, and the memory it took.

Runs as a process of its own, since the peak of a process never falls again: `name rows width folder`.
"""

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.etl.handlers._base import TableHandler
from services.etl.handlers.aggregate import Aggregate
from services.etl.handlers.deduplicate import Deduplicate
from services.etl.handlers.join import Join
from services.etl.handlers.sort_rows import SortRows
from services.etl.pipeline.context import Context
from services.etl.pipeline.pieces import Piece
from tests.unit.etl_data.whole_tables import Looked, columns

GIVEN = columns(id="int64", key="text", wide="text")
SIZE: Final = 10_000
STEPS: dict[str, TableHandler] = {
    "sort_rows": SortRows.of({"by": [{"column": "key"}]}),
    "first": Deduplicate.of({"columns": ["key"]}),
    "last": Deduplicate.of({"columns": ["key"], "keep": "last"}),
    "aggregate": Aggregate.of(
        {"group_by": ["key"], "aggregates": [{"function": "sum", "column": "id", "into": "ids"}]}
    ),
    "join": Join.of({"right": {}, "keys": [{"left": "key", "right": "key"}], "how": "semi"}),
}


class Further(Looked):
    """The same keys again."""

    def batches(self) -> Iterator[Any]:
        yield from (piece.rows for piece in pieces(int(sys.argv[2]), 1))


def pieces(rows: int, width: int) -> Iterator[Piece]:
    """Rows whose key comes twice, in no order, and whose wide column has no pattern."""
    chance = np.random.default_rng(5)
    keys = chance.permutation(rows) // 2
    for first in range(0, rows, SIZE):
        some = keys[first : first + SIZE]
        texts = pa.array([f"key {key:08}" for key in some])
        wide = pa.array([chance.bytes(width // 2).hex() for _ in some])
        batch = pa.RecordBatch.from_arrays([pa.array(some), texts, wide], names=GIVEN.names)
        records = np.arange(first + 1, first + 1 + len(some))
        yield Piece(batch, records, records)


def main() -> None:
    name, rows, width, scratch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    handler, further = STEPS[name], Further(GIVEN, ())
    handler.looked_up = {"right": GIVEN}
    out = 0
    for count in (SIZE, rows):
        context = Context(
            step=name,
            columns_in=GIVEN,
            columns_out=handler.columns_out(GIVEN),
            memory_mb=64,
            scratch=scratch,
            lookups={"right": further},
        )
        before, out, last = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, ""
        for piece in handler.through(pieces(count, width), context):
            out += len(piece.rows)
            if name == "sort_rows":
                keys = piece.rows.column(1).to_pylist()
                assert keys == sorted(keys)
                assert last <= keys[0]
                last = keys[-1]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"rows": out, "grown_mb": grown >> 10}))


if __name__ == "__main__":
    main()

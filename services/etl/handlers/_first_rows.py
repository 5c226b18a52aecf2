"""The first row of each key, given while the rows come in; past a bound of memory, by a DuckDB."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa

from services.etl.pipeline import duck
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.context import Context
from services.etl.pipeline.pieces import Piece
from services.etl.pipeline.seen_keys import SeenKeys, seen_keys

SHARE: Final = 2
"""Keys may take one part in so many of the step's memory: DuckDB needs the rest while it takes them over."""

_REST: Final = """
    SELECT min(seq) FROM (SELECT key, -1 AS seq FROM seen UNION ALL SELECT key, seq FROM given)
    GROUP BY key HAVING min(seq) >= 0 ORDER BY 1
"""


def first_rows(names: Sequence[str], pieces: Iterator[Piece], context: Context) -> Iterator[Piece]:
    """The rows whose key comes for the first time, in their order."""
    seen = seen_keys([arrow_type(context.columns_in.get(name).type) for name in names])
    limit = (context.memory_mb << 20) // SHARE
    for piece in pieces:
        mask = seen.fresh(_key(seen, names, piece))
        kept = piece if mask.all() else _filtered(piece, mask)
        context.deduplicated(len(piece.rows) - len(kept.rows))
        yield kept
        if seen.size > limit:
            yield from _rest(seen, names, pieces, context)


def _rest(seen: SeenKeys, names: Sequence[str], pieces: Iterator[Piece], context: Context) -> Iterator[Piece]:
    columns = context.columns_in
    given = duck.Marked(pieces, columns, key=(seen.type, partial(_key, seen, names)))
    schema, kept = pa.schema([pa.field("key", seen.type)]), 0
    with duck.Duck(context) as database:
        keys = (pa.RecordBatch.from_arrays([part], schema=schema) for part in seen.taken())
        database.keep("seen", keys, schema)
        database.keep("given", given, given.schema)
        for batch, _ in database.beside(_REST):
            kept += len(batch)
            yield duck.as_piece(batch, columns)
    context.deduplicated(given.rows - kept)


def _key(seen: SeenKeys, names: Sequence[str], piece: Piece) -> Any:
    return seen.key([piece.rows.column(name) for name in names])


def _filtered(piece: Piece, mask: Any) -> Piece:
    return Piece(piece.rows.filter(pa.array(mask)), piece.records[mask], piece.lines[mask], piece.raw)

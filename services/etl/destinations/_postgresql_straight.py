"""From one PostgreSQL to another: what COPY gives there, COPY takes here."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from services.etl.columns import Columns
from services.etl.destinations._encoding import Encoder
from services.etl.destinations._target import Encoded
from services.etl.loaders import _postgresql_straight
from services.etl.loaders._base import Reading

_COLUMNS: Final = """
    SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS spelled,
           a.attnotnull AS required
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY($2::text[])"""


class AsIs(Encoder):
    """For rows that are in binary form already, with what comes before and after them."""

    format = "binary"

    def header(self) -> bytes:
        return b""

    def encode(self, batch: Any) -> bytes:
        raise TypeError(f"{len(batch)} rows came as values, and not in the form that goes over as it is")

    def trailer(self) -> bytes:
        return b""


async def items(connection: Any, table: int, columns: Columns, reading: Reading) -> Iterator[Encoded] | None:
    """The source's rows for `write`, or None where they have to be read as values."""
    found = await connection.fetch(_COLUMNS, table, list(columns.names))
    wanted = {
        row["name"]: _postgresql_straight.Wanted(
            row["spelled"],
            columns.get(row["name"]).type,
            required=row["required"] or not columns.get(row["name"]).nullable,
        )
        for row in found
    }
    parts = await asyncio.to_thread(_postgresql_straight.parts, reading, wanted)
    return None if parts is None else (Encoded(part.rows, part.data) for part in parts)

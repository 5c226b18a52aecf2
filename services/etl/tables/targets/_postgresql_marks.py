"""Our notes in a schema of PostgreSQL, as they are read."""

import json
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.etl.tables.definition import Location
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.errors import TargetRefused
from services.etl.tables.physical import Mark, Marked, Place
from shared.engines.postgresql import quote

_NOT_OUR_MARKS: Final = f"its table {MARKS} isn't one that Penstock made; rename or remove it there"
_NOTED_SCHEMAS: Final = """
SELECT n.nspname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = $1 AND c.relkind = 'r' AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
   AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND NOT a.attisdropped
           AND (a.attname, pg_catalog.format_type(a.atttypid, NULL)) IN (
               ('table_id', 'uuid'), ('table_name', 'text'), ('revision', 'bigint'), ('fingerprint', 'text'))
       ) = 4
 ORDER BY n.nspname
"""


@dataclass(frozen=True, slots=True)
class Notes:
    """The row about a data table: under which names it was published and has begun to be, and as what.

    `others` are those of the names where it may be that the rows about other data tables have.
    """

    name: str | None = None
    mark: Mark | None = None
    begun_name: str | None = None
    begun: Mark | None = None
    others: frozenset[str] = frozenset()

    def names(self, place: Place) -> list[str]:
        """Where the table may be, the likeliest name first."""
        names = [self.begun_name, self.name, *place.names, place.location.name]
        return list(dict.fromkeys(name for name in names if name is not None))

    def is_foreign(self, name: str) -> bool:
        """Whether what has this name is a table of another data table."""
        return name in self.others and name not in {self.name, self.begun_name}


async def marked(connection: Any) -> list[Marked]:
    """All notes in this database that can be read."""
    found: list[Marked] = []
    for (schema,) in await connection.fetch(_NOTED_SCHEMAS, MARKS):
        rows = await connection.fetch(
            "SELECT m.table_id, m.table_name, m.revision, m.fingerprint, EXISTS ("  # noqa: S608 - quoted identifiers only
            "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = $1 AND c.relname = m.table_name AND c.relkind = 'r') AS there"
            f" FROM {quote(schema)}.{quote(MARKS)} m ORDER BY m.table_name, m.table_id",
            schema,
        )
        found += [
            Marked(
                row["table_id"],
                Location(schema, row["table_name"]),
                row["revision"],
                row["fingerprint"],
                row["there"],
            )
            for row in rows
        ]
    return found


async def notes_of(connection: Any, place: Place) -> Notes:
    """All that is noted of a table in its schema; nothing where no publish has been. Raises TargetRefused."""
    assert place.location.schema is not None, "a table of PostgreSQL has a schema"
    marks = f"{quote(place.location.schema)}.{quote(MARKS)}"
    if await connection.fetchval("SELECT pg_catalog.to_regclass($1)", marks) is None:
        return Notes()
    try:
        return await _noted(connection, place, marks)
    except (KeyError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        raise TargetRefused(reason=_NOT_OUR_MARKS) from None


async def _noted(connection: Any, place: Place, marks: str) -> Notes:
    table_id = place.table_id
    # As one value, whatever columns the notes have: those of an older version lack some.
    found = await connection.fetchval(
        f"SELECT pg_catalog.to_jsonb(m)::text FROM {marks} m WHERE table_id = $1",  # noqa: S608 - quoted identifiers only
        table_id,
    )
    rows = await connection.fetch(
        f"SELECT table_name FROM {marks} WHERE table_id <> $1 AND table_name = ANY ($2)",  # noqa: S608 - as above
        table_id,
        Notes().names(place),
    )
    others = frozenset(row["table_name"] for row in rows)
    if found is None:
        return Notes(others=others)
    row = json.loads(found)
    name, mark = row["table_name"], Mark(table_id, row["revision"], row["fingerprint"])
    if row.get("begun_revision") is None:
        return Notes(name, mark, others=others)
    # What has begun has its names by now: they were given in the transaction that noted it.
    begun = Mark(table_id, row["begun_revision"], row["begun_fingerprint"], settled=True)
    return Notes(name, mark, row["begun_name"], begun, others)

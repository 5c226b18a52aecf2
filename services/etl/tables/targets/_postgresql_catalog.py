"""What PostgreSQL's catalog says of one table, and of what depends on it."""

from collections.abc import Mapping
from typing import Any, Final

from services.etl.tables.definition import Location
from services.etl.tables.errors import SchemaMissing
from services.etl.tables.physical import (
    FOREIGN,
    Physical,
    PhysicalColumn,
    PhysicalIndex,
    Place,
    Sight,
    Size,
)
from shared.engines.postgresql import quote

from ._postgresql_marks import Notes, notes_of
from ._postgresql_uses import uses

_KINDS: Final[Mapping[str, str]] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "c": "composite type",
}
_RELATION: Final = """
SELECT c.oid, c.relkind::text AS relkind,
       coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') AS comment
  FROM pg_catalog.pg_namespace n
  LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2
 WHERE n.nspname = $1
"""
_COLUMNS: Final = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS "default",
       CASE WHEN a.attgenerated <> '' THEN 'generated'
            WHEN a.attidentity <> '' THEN 'identity' ELSE '' END AS extra,
       coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '') AS comment,
       CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.quote_ident(m.nspname) || '.'
            || pg_catalog.quote_ident(l.collname) ELSE '' END AS collation
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace m ON m.oid = l.collnamespace
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
_INDEXES: Final = """
SELECT c.relname, i.indisprimary, i.indisunique, i.indisvalid,
       EXISTS (SELECT FROM pg_catalog.pg_constraint o
                WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u')) AS owned,
       ARRAY(SELECT a.attname
               FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.position <= i.indnkeyatts
              ORDER BY k.position)::text[] AS columns
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am m ON m.oid = c.relam
 WHERE i.indrelid = $1 AND i.indpred IS NULL AND i.indexprs IS NULL
   AND (i.indisprimary OR m.amname = 'btree' AND i.indnatts = i.indnkeyatts AND NOT i.indisexclusion)
 ORDER BY c.relname
"""
_SIZE: Final = """
SELECT pg_catalog.pg_total_relation_size(c.oid) AS total, pg_catalog.pg_relation_size(c.oid) AS main,
       c.reltuples::float8 AS rows, c.relpages::float8 AS pages,
       pg_catalog.current_setting('block_size')::float8 AS page,
       pg_catalog.has_table_privilege(c.oid, 'SELECT')
       AND NOT pg_catalog.row_security_active(c.oid) AS readable
  FROM pg_catalog.pg_class c
 WHERE c.oid = $1
"""
_DEPENDENTS: Final = """
SELECT CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind, n.nspname, v.relname
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
 WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND v.oid <> $1
 UNION
SELECT 'foreign key of the table', n.nspname, c.relname
  FROM pg_catalog.pg_constraint o
  JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE o.contype = 'f' AND o.confrelid = $1 AND o.conrelid <> $1
 ORDER BY 1, 2, 3
 LIMIT 10
"""
_COUNTED_BYTES: Final = 16 * 2**20
_MOST_COUNTED: Final = 1_000_000


async def sight(connection: Any, place: Place, *, measured: bool) -> Sight:
    """One look: the relation under the first of its possible names that is there.

    Raises SchemaMissing. A mark counts for the table of its own name only.
    """
    notes = await notes_of(connection, place)
    for name in notes.names(place):
        relation = await _relation(connection, place.location.schema, name)
        if relation["oid"] is None:
            continue
        strange = relation["relkind"] != "r" or notes.is_foreign(name)
        if not strange or name == place.location.name:
            return await _found(connection, place, notes, (name, relation), measured=measured)
    return Sight(None, notes.mark if notes.name == place.location.name else None, begun=notes.begun)


async def dependents(connection: Any, location: Location) -> list[str]:
    """Views and foreign keys that need the table, by their names; at most ten."""
    relation = await _relation(connection, location.schema, location.name)
    rows = await connection.fetch(_DEPENDENTS, relation["oid"])
    return [f"the {row['kind']} {row['nspname']}.{row['relname']}" for row in rows]


async def _relation(connection: Any, schema: str | None, name: str) -> Any:
    relation = await connection.fetchrow(_RELATION, schema, name)
    if relation is None:
        raise SchemaMissing(schema_name=schema)
    return relation


async def _found(
    connection: Any, place: Place, notes: Notes, found: tuple[str, Any], *, measured: bool
) -> Sight:
    name, relation = found
    taken = None if name == place.location.name else await _taken(connection, place, relation["oid"])
    physical = Physical(FOREIGN) if notes.is_foreign(name) else await _physical(connection, relation)
    size = None
    if measured and physical.kind == "table":
        size = await _size(connection, Location(place.location.schema, name), relation["oid"])
    mark = notes.mark if notes.name == name else None
    return Sight(physical, mark, begun=notes.begun, name=name, taken=taken, size=size)


async def _taken(connection: Any, place: Place, table: int) -> str | None:
    """What else has the wanted name; an index of the table itself may go or get another name with it."""
    other = await _relation(connection, place.location.schema, place.location.name)
    if other["oid"] is None:
        return None
    indexed = await connection.fetchval(
        "SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = $1", other["oid"]
    )
    return None if indexed == table else _KINDS.get(other["relkind"], "relation")


async def _physical(connection: Any, relation: Any) -> Physical:
    if relation["relkind"] != "r":
        return Physical(_KINDS.get(relation["relkind"], "relation"))
    columns = await connection.fetch(_COLUMNS, relation["oid"])
    indexes = await connection.fetch(_INDEXES, relation["oid"])
    primary = next((row for row in indexes if row["indisprimary"]), None)
    return Physical(
        kind="table",
        columns=tuple(
            PhysicalColumn(
                name=row["attname"],
                type=row["type"],
                nullable=row["nullable"],
                default=row["default"],
                extra=row["extra"],
                comment=row["comment"],
                collation=row["collation"],
            )
            for row in columns
        ),
        primary_key=tuple(primary["columns"]) if primary else (),
        indexes=tuple(
            PhysicalIndex(
                row["relname"], tuple(row["columns"]), row["indisunique"], row["owned"], row["indisvalid"]
            )
            for row in indexes
            if not row["indisprimary"]
        ),
        comment=relation["comment"],
        primary_key_name=primary["relname"] if primary else "",
        uses=await uses(connection, relation["oid"], frozenset(row["relname"] for row in indexes)),
    )


async def _size(connection: Any, location: Location, oid: int) -> Size:
    """Counted where that is quick, else what the last ANALYZE found, for as many pages as there are now."""
    row = await connection.fetchrow(_SIZE, oid)
    analysed = row["rows"] >= 0 and row["pages"] > 0
    if row["readable"] and (row["main"] <= _COUNTED_BYTES or not analysed):
        table = f"{quote(location.schema or '')}.{quote(location.name)}"
        count = await connection.fetchval(
            f"SELECT count(*) FROM (SELECT FROM {table} LIMIT {_MOST_COUNTED + 1}) AS counted"  # noqa: S608 - quoted identifiers only
        )
        return Size(min(count, _MOST_COUNTED), row["total"], exact=count <= _MOST_COUNTED)
    rows = row["rows"] * (row["main"] / row["page"] / row["pages"]) if analysed else 0
    return Size(round(rows), row["total"], exact=False)

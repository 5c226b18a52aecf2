"""What others have made in PostgreSQL that uses columns of a table, and goes with one of them unasked."""

from typing import Any, Final

from services.etl.tables.physical import Use

_USES: Final = """
SELECT CASE WHEN c.relname IS NOT NULL THEN 'index'
            WHEN s.stxname IS NOT NULL THEN 'statistics object'
            WHEN o.contype = 'c' THEN 'check'
            WHEN o.contype = 'f' THEN 'foreign key' ELSE 'constraint' END AS kind,
       coalesce(c.relname, s.stxname, o.conname) AS name,
       pg_catalog.array_agg(DISTINCT a.attname::text) AS columns
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  LEFT JOIN pg_catalog.pg_index i
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid
  LEFT JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_statistic_ext s
    ON d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND s.oid = d.objid
  LEFT JOIN pg_catalog.pg_constraint o
    ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND o.oid = d.objid
   AND o.conrelid = $1 AND o.contype IN ('c', 'f', 'u', 'x')
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1
   AND (c.oid IS NOT NULL OR s.oid IS NOT NULL OR o.oid IS NOT NULL)
 GROUP BY 1, 2
 ORDER BY 1, 2
"""


async def uses(connection: Any, table: int, listed: frozenset[str]) -> tuple[Use, ...]:
    """The checks, foreign keys, exclusions and statistics of a table, and indexes that aren't `listed`."""
    return tuple(
        Use(f"the {row['kind']} {row['name']}", tuple(row["columns"]))
        for row in await connection.fetch(_USES, table)
        if row["kind"] not in {"index", "constraint"} or row["name"] not in listed
    )

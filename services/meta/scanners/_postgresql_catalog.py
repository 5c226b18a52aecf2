"""The queries on PostgreSQL's catalog (manual, chapter 53) and what their rows mean.

Only pg_catalog: information_schema hides what a role has no grant on, drops materialised views and
costs several times as much. Every query takes a list of relations and answers for all of them; keys
and indexes leave as arrays of column numbers, because names would cost a join for each of them.
"""

from typing import Final

LISTABLE: Final = "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
USER_SCHEMA: Final = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

DATABASES: Final = """
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS charset,
       {collation} AS collation, d.datallowconn AND d.datconnlimit <> -2 AND may.connect AS is_accessible,
       CASE WHEN may.connect OR may.stats THEN pg_database_size(d.oid) END AS total_size_bytes
  FROM pg_database d
 CROSS JOIN LATERAL (SELECT has_database_privilege(d.oid, 'CONNECT') AS connect,
                            pg_has_role('pg_read_all_stats', 'USAGE') AS stats) may
 WHERE NOT d.datistemplate ORDER BY d.datname
"""
TABLE_COUNT: Final = f"""
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {LISTABLE} AND {USER_SCHEMA}
"""  # noqa: S608 - made of the constants above
SCHEMAS: Final = f"""
SELECT n.oid, n.nspname AS name FROM pg_namespace n
 WHERE {USER_SCHEMA}
   AND (cardinality($1::text[]) = 0 OR n.nspname LIKE ANY ($1)) AND NOT n.nspname LIKE ANY ($2::text[])
 ORDER BY n.nspname
"""  # noqa: S608 - made of the constants above
LISTING: Final = f"""
SELECT c.oid, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relnamespace = $1 AND {LISTABLE}
   AND (cardinality($2::text[]) = 0 OR EXISTS (
        SELECT FROM unnest($2, $3::text[]) AS p(s, t) WHERE n.nspname LIKE p.s AND c.relname LIKE p.t))
   AND NOT EXISTS (
        SELECT FROM unnest($4::text[], $5::text[]) AS p(s, t) WHERE n.nspname LIKE p.s AND c.relname LIKE p.t)
 ORDER BY c.oid
"""  # noqa: S608 - made of the constants above
RELATIONS: Final = """
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.reltuples::float8 AS tuples,
       c.relpages::int8 + coalesce(t.relpages, 0) AS pages, coalesce(a.amname, w.fdwname) AS engine,
       pg_get_userbyid(c.relowner) AS owner, d.description AS comment,
       current_setting('block_size')::int AS block_size,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS is_readable,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
  LEFT JOIN pg_am a ON a.oid = c.relam
  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
  LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
  LEFT JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE c.oid = ANY ($1::oid[])
"""
COLUMNS: Final = """
SELECT a.attrelid AS relation, a.attnum::int AS number, a.attname AS name,
       format_type(a.atttypid, NULL) AS data_type, format_type(a.atttypid, a.atttypmod) AS column_type,
       NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       pg_get_expr(e.adbin, e.adrelid) AS expression, d.description AS comment,
       CASE WHEN a.attcollation <> t.typcollation THEN l.collname END AS collation,
       CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base_type,
       CASE WHEN t.typtype = 'e' THEN t.oid END AS enum
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_description d
    ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""
NAMES: Final = """
SELECT attrelid AS relation, attnum::int AS number, attname AS name FROM pg_attribute
 WHERE attrelid = ANY ($1::oid[]) AND attnum > 0
"""
ENUMS: Final = """
SELECT enumtypid AS type, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels FROM pg_enum
 WHERE enumtypid = ANY ($1::oid[]) GROUP BY enumtypid
"""
CONSTRAINTS: Final = """
SELECT k.conrelid AS relation, k.conname AS name, k.contype::text AS kind, k.conkey::int[] AS columns,
       k.confrelid AS target, tn.nspname AS target_schema, t.relname AS target_name,
       k.confkey::int[] AS target_columns, k.confupdtype::text AS on_update, k.confdeltype::text AS on_delete,
       k.condeferrable AS is_deferrable, k.convalidated AS is_validated,
       CASE WHEN k.contype IN ('c', 'x') THEN pg_get_constraintdef(k.oid) END AS definition,
       {nulls_distinct} AS nulls_distinct
  FROM pg_constraint k
  LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype = 'u'
  LEFT JOIN pg_class t ON t.oid = k.confrelid
  LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
 WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
 ORDER BY k.conrelid, k.contype, k.conname
"""
INDEXES: Final = """
SELECT i.indrelid AS relation, x.relname AS name, a.amname AS method, i.indisunique AS is_unique,
       i.indisprimary AS is_primary, i.indisvalid AS is_valid, i.indnkeyatts::int AS key_parts,
       i.indkey::int2[]::int[] AS columns, i.indoption::int2[]::int[] AS options, x.relpages::int8 AS pages,
       pg_get_expr(i.indpred, i.indrelid) AS predicate,
       CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(
            SELECT pg_get_indexdef(i.indexrelid, part, false) FROM generate_series(1, i.indnkeyatts) part
       ) END AS parts
  FROM pg_index i
  JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am a ON a.oid = x.relam
 WHERE i.indrelid = ANY ($1::oid[])
 ORDER BY i.indrelid, x.relname
"""
PARTITIONS: Final = """
WITH RECURSIVE part AS (
  SELECT inhparent AS root, inhrelid AS oid FROM pg_inherits WHERE inhparent = ANY ($1::oid[])
  UNION ALL SELECT p.root, i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid),
index_pages AS (
  SELECT i.indrelid AS oid, sum(x.relpages::int8) AS pages
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
   WHERE i.indrelid IN (SELECT oid FROM part) GROUP BY i.indrelid)
SELECT p.root,
       CASE WHEN bool_and(c.relkind = 'r' AND c.reltuples >= 0) THEN sum(c.reltuples) END::float8 AS tuples,
       sum(greatest(c.relpages, 0)::int8 + coalesce(t.relpages, 0))::int8 AS pages,
       coalesce(sum(x.pages), 0)::int8 AS index_pages
  FROM part p
  JOIN pg_class c ON c.oid = p.oid AND c.relkind <> 'p'
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
  LEFT JOIN index_pages x ON x.oid = c.oid
 GROUP BY p.root
"""
SIZES: Final = """
SELECT oid, pg_table_size(oid) AS data, pg_indexes_size(oid) AS index FROM unnest($1::oid[]) AS oid
"""

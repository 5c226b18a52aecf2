"""The SQL of the PostgreSQL target. Every name in it is quoted, every value is a parameter."""

# ruff: noqa: S608  see above

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from services.etl.destinations._ledger import CURSOR, FENCE, LEDGER
from services.etl.destinations._stage import row_column
from services.etl.pipeline.definition import Winner
from shared.engines.postgresql import quote

STAGE: Final = "_penstock_stage"
ANALYZE_STAGE: Final = f"ANALYZE pg_temp.{STAGE}"
SORT_IN_MEMORY: Final = """
    SELECT set_config(name, '64MB', true) FROM pg_catalog.pg_settings
    WHERE name = 'work_mem' AND setting::bigint < 65536"""
"""Stages are sorted by the key: for these transactions in memory, if they are not large."""

SETTINGS: Final = """
    SELECT set_config('row_security', 'off', true), set_config('extra_float_digits', '1', true),
           set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
           CASE current_setting('synchronous_commit')
               WHEN 'off' THEN set_config('synchronous_commit', 'local', true) END"""
"""Of the one transaction: an error where row security would hide rows, all digits of numbers that are
compared as texts, and a commit that is on the disk when it is told, whatever is set for the database."""

LOCK_SECONDS: Final = 5
MODIFIER_HEADER: Final = 4
"""What the server adds to lengths, precisions and scales where it keeps them."""

AS_TEXT: Final = '{}::text COLLATE "C"'
FLOAT4_BYTES: Final = "pg_catalog.float4send({})"
FLOAT8_BYTES: Final = "pg_catalog.float8send({})"
EXACT_TIME: Final = frozenset({-1, 6})
"""Modifiers of time types that keep microseconds."""

CHECK_INTERVAL: Final = """
    SELECT set_config(name, '1000', false) FROM pg_catalog.pg_settings
    WHERE name = 'client_connection_check_interval'"""
"""From PostgreSQL 14 on a backend notices within a second that its client is gone, even inside a query."""

END_OLDER: Final = """
    SELECT pg_catalog.pg_terminate_backend(s.pid)
    FROM pg_catalog.pg_stat_activity AS s
    WHERE s.datname = current_database() AND s.pid <> pg_backend_pid()
      AND pg_catalog.pg_has_role(s.usesysid, 'MEMBER')
      AND s.application_name ~ '^penstock [0-9a-f]{32} [0-9]{1,18}$'
      AND CASE WHEN s.application_name ~ '^penstock [0-9a-f]{32} [0-9]{1,18}$'
               THEN split_part(s.application_name, ' ', 3)::bigint < $1 END
      AND (split_part(s.application_name, ' ', 2) = $2 OR s.pid IN (
            SELECT l.pid FROM pg_catalog.pg_locks AS l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
              AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
              AND l.classid::bigint = ($3::bigint >> 32) & 4294967295
              AND l.objid::bigint = $3::bigint & 4294967295))"""
"""End sessions of this run, or sessions that hold this table, whose fence is lower than $1; those of users
who are not ours to end are waited for."""

TABLE: Final = """
    SELECT c.oid, c.relkind::text AS kind
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2"""

COLUMNS: Final = """
    SELECT a.attname AS name, t.typname AS type_name, a.atttypmod AS modifier, a.attnotnull AS not_null,
           t.typtype = 'b' AND n.nspname = 'pg_catalog' AS built_in,
           a.atthasdef OR a.attidentity <> '' AS filled,
           a.attgenerated <> '' OR a.attidentity = 'a' AS read_only,
           coalesce(l.collisdeterministic, true) AS deterministic,
           b.name AS base_name, b.built_in AS base_built_in, b.modifier AS base_modifier
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    CROSS JOIN LATERAL (
        WITH RECURSIVE under AS (
            SELECT t.oid, a.atttypmod AS modifier
            UNION ALL
            SELECT d.typbasetype, d.typtypmod FROM under JOIN pg_catalog.pg_type AS d ON d.oid = under.oid
            WHERE d.typtype = 'd')
        SELECT u.typname AS name, under.modifier,
               u.typtype = 'b' AND un.nspname = 'pg_catalog' AS built_in
        FROM under JOIN pg_catalog.pg_type AS u ON u.oid = under.oid
        JOIN pg_catalog.pg_namespace AS un ON un.oid = u.typnamespace
        WHERE u.typtype <> 'd') AS b
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""

UNIQUE_KEYS: Final = """
    SELECT array_agg(a.attname::text) AS names
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1], i.indcollation[0:i.indnkeyatts - 1])
      AS k(attnum, coll)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid
    HAVING bool_and(k.coll = a.attcollation OR EXISTS (
        SELECT FROM pg_catalog.pg_collation AS l WHERE l.oid = k.coll AND l.collisdeterministic))"""
"""The columns of the unique keys. One that compares by another collation than its column may take keys for
one that the column tells apart."""

RULED: Final = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = $1) AS ruled"""

DROPPING: Final = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = $1 AND NOT g.tgisinternal
                   AND g.tgenabled <> 'D' AND g.tgtype & 7 = 7) AS dropping"""
"""Whether the table has a trigger for each row before it is inserted: that can drop it in silence."""


def lock_number(table_key: str) -> int:
    """The advisory lock of a table: 64 bits of a hash, as PostgreSQL's signed number."""
    digest = hashlib.blake2b(f"penstock:{table_key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def raise_fence(schema: str) -> str:
    """Raise the fence to $2 unless it is higher already; returns no row then."""
    return (
        f"INSERT INTO {schema}.{FENCE} AS f (table_key, fence, run_id) VALUES ($1, $2, $3)"
        " ON CONFLICT (table_key) DO UPDATE SET fence = excluded.fence, run_id = excluded.run_id"
        " WHERE f.fence <= excluded.fence RETURNING f.fence"
    )


def held_fence(schema: str) -> str:
    """The fence, held until the end of the transaction."""
    return f"SELECT fence FROM {schema}.{FENCE} WHERE table_key = $1 FOR UPDATE"


def ledger_row(schema: str) -> str:
    """The counts of a run's commit."""
    return f"SELECT counts FROM {schema}.{LEDGER} WHERE run_id = $1"


def write_ledger(schema: str) -> str:
    """The run's ledger row."""
    return f"INSERT INTO {schema}.{LEDGER} (run_id, table_key, fence, counts) VALUES ($1, $2, $3, $4)"


def create_stage(table: str, columns: Sequence[str], *, numbered: bool) -> str:
    """A temporary table with the columns as the target has them, and the order of the rows if that counts."""
    row = f", NULL::bigint AS {row_column(columns)}" if numbered else ""
    return (
        f"CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS"
        f" SELECT {listed(columns)}{row} FROM {table} WITH NO DATA"
    )


def merge(
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    *,
    winner: Winner,
    uncomparable: Mapping[str, str],
    keep_known: bool = False,
) -> str:
    """One row for each key out of the stage into the table; counts of chosen, inserted and updated rows.

    The rows go in the order of the key, so that two merges can't lock each other out. `uncomparable` columns
    have no equality that tells all values apart (json, citext) and are compared as it says. With `keep_known`
    rows of known keys stay as they are.
    """
    others = [] if keep_known else [name for name in columns if name not in key]
    order = "DESC" if winner == "last" else "ASC"
    action = "DO NOTHING"
    if others:
        changed = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in others)
        action = (
            f"DO UPDATE SET {changed} WHERE ({compared('t', others, uncomparable)})"
            f" IS DISTINCT FROM ({compared('excluded', others, uncomparable)})"
        )
    return (
        f"WITH merged AS (INSERT INTO {table} AS t ({listed(columns)})"
        f" SELECT DISTINCT ON ({listed(key)}) {listed(columns)}"
        f" FROM pg_temp.{STAGE} ORDER BY {listed(key)}, {row_column(columns)} {order}"
        f" ON CONFLICT ({listed(key)}) {action} RETURNING (t.xmax = 0) AS inserted)"
        " SELECT (SELECT count(*) FROM"
        f" (SELECT DISTINCT {listed(key)} FROM pg_temp.{STAGE}) AS keys) AS chosen,"
        " count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated"
        " FROM merged"
    )


def keep_winners(columns: Sequence[str], key: Sequence[str], winner: Winner) -> str:
    """Keep one row for each key in the stage."""
    row, order = row_column(columns), "DESC" if winner == "last" else "ASC"
    return (
        f"DELETE FROM pg_temp.{STAGE} WHERE {row} IN (SELECT {row} FROM (SELECT {row}, row_number() OVER"
        f" (PARTITION BY {listed(key)} ORDER BY {row} {order}) AS place FROM pg_temp.{STAGE}) AS ordered"
        " WHERE place > 1)"
    )


def delete_absent(table: str, key: Sequence[str]) -> str:
    """Rows of the table whose key is not in the stage go."""
    same = " AND ".join(f"s.{quote(name)} = t.{quote(name)}" for name in key)
    return f"DELETE FROM ONLY {table} AS t WHERE NOT EXISTS (SELECT FROM pg_temp.{STAGE} AS s WHERE {same})"


def empty(table: str) -> str:
    """All rows of the table go, for those who look after the commit."""
    return f"DELETE FROM ONLY {table}"


def is_empty(table: str) -> str:
    """Whether nothing is left of what was deleted."""
    return f"SELECT NOT EXISTS (SELECT FROM ONLY {table}) AS empty"


def fill(table: str, columns: Sequence[str], rows: str = f"pg_temp.{STAGE}") -> str:
    """All rows of the stage, or of another table, into the table."""
    return f"INSERT INTO {table} ({listed(columns)}) SELECT {listed(columns)} FROM {rows}"


def missing(table: str, key: Sequence[str]) -> str:
    """How many keys of the stage no row of the table has."""
    same = " AND ".join(f"s.{quote(name)} = t.{quote(name)}" for name in key)
    return (
        f"SELECT count(*) AS missing FROM pg_temp.{STAGE} AS s"
        f" WHERE NOT EXISTS (SELECT FROM ONLY {table} AS t WHERE {same})"
    )


def last_cursor(schema: str) -> str:
    """The cursor of a stream."""
    return f"SELECT cursor FROM {schema}.{CURSOR} WHERE stream = $1"


def write_cursor(schema: str) -> str:
    """How far the stream has come."""
    return (
        f"INSERT INTO {schema}.{CURSOR} (stream, cursor, run_id) VALUES ($1, $2, $3)"
        " ON CONFLICT (stream) DO UPDATE SET cursor = excluded.cursor, run_id = excluded.run_id,"
        " updated_at = now()"
    )


def listed(names: Sequence[str]) -> str:
    """Quoted names, with commas."""
    return ", ".join(quote(name) for name in names)


def compared(alias: str, names: Sequence[str], uncomparable: Mapping[str, str]) -> str:
    """Quoted columns of a table as they are compared with those of another one."""
    return ", ".join(uncomparable.get(name, "{}").replace("{}", f"{alias}.{quote(name)}") for name in names)

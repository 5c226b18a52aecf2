"""The SQL that a run says to PostgreSQL, for people to read before it runs. Needs no connection.

Which of its ways a replacement takes is decided by what the catalog says when it runs: both are shown.
"""

from services.etl.columns import Columns
from services.etl.destinations import _postgresql_history_sql as history_sql
from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations import _postgresql_swap_sql as swap_sql
from services.etl.destinations._stage import row_column
from services.etl.pipeline.definition import History
from services.etl.pipeline.job import JobSpec, JobTarget
from shared.engines.postgresql import quote

_RUN = "<run>"


def script(job: JobSpec, columns: Columns) -> list[str]:
    """The statements in their order; those that begin with -- are remarks. Values of the run are $1, $2."""
    schema = quote(job.table.schema_name or "public")
    table = f"{schema}.{quote(job.table.table_name)}"
    keeps_cursor = [sql.write_cursor(schema)] if job.stream else []
    return [
        "BEGIN",
        "SELECT pg_advisory_xact_lock($1)",
        sql.ledger_row(schema),
        f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
        *_writing(job.table, schema, table, columns),
        sql.held_fence(schema),
        sql.write_ledger(schema),
        *keeps_cursor,
        "COMMIT",
    ]


def _writing(target: JobTarget, schema: str, table: str, columns: Columns) -> list[str]:
    match target.mode:
        case "append":
            return [_copy(table, columns)]
        case "upsert" | "insert_only":
            return [*_staged(table, columns, numbered=True), _merge(target, table, columns)]
        case "replace":
            return _replacing(target, schema, table, columns)
        case "scd2":
            return [*_staged(table, columns, numbered=True), *_versions(target, table, columns)]


def _copy(table: str, columns: Columns, *, numbered: bool = False, frozen: bool = False) -> str:
    names = sql.listed(columns.names) + (f", {row_column(columns.names)}" if numbered else "")
    return f"COPY {table} ({names}) FROM STDIN{' (FREEZE true)' if frozen else ''}"


def _staged(table: str, columns: Columns, *, numbered: bool) -> list[str]:
    return [
        sql.create_stage(table, columns.names, numbered=numbered),
        _copy(f"pg_temp.{sql.STAGE}", columns, numbered=numbered),
    ]


def _merge(target: JobTarget, table: str, columns: Columns) -> str:
    return sql.merge(
        table,
        columns.names,
        target.key,
        winner=target.winner,
        uncomparable=_uncomparable(columns),
        keep_known=target.mode == "insert_only",
    )


def _replacing(target: JobTarget, schema: str, table: str, columns: Columns) -> list[str]:
    new = f"{schema}.{quote(swap_sql.beside(_RUN))}"
    ways = [
        "-- When nothing hangs on the table that a new one would not have:",
        swap_sql.create(new, table),
        _copy(new, columns, frozen=True),
        "-- its indexes, keys, grants and comment are made again",
        f"ANALYZE {new}",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        *swap_sql.swap(new, table, target.table_name),
        "-- When views, triggers, policies or other things hang on it:",
        *_staged(table, columns, numbered=False),
        f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
        sql.empty(table),
        sql.fill(table, columns.names),
        f"ANALYZE {table}",
    ]
    if not target.key:
        return ways
    return [
        *ways,
        "-- When foreign keys of other tables point at it:",
        *_staged(table, columns, numbered=True),
        f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
        sql.delete_absent(table, target.key),
        _merge(target, table, columns),
    ]


def _versions(target: JobTarget, table: str, columns: Columns) -> list[str]:
    history = target.history or History()
    statements = history_sql.Statements(table, columns.names, target.key, history, _uncomparable(columns))
    closing = [statements.close_absent()] if history.absent == "close" else []
    return [
        f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
        sql.keep_winners(columns.names, target.key, target.winner),
        sql.ANALYZE_STAGE,
        statements.look(),
        *closing,
        statements.drop_unchanged(),
        statements.close_changed(),
        statements.open_new(),
    ]


def _uncomparable(columns: Columns) -> dict[str, str]:
    """What is compared otherwise than by `=`; the types that the table really has decide when it runs."""
    ways = {"json": sql.AS_TEXT, "float32": sql.FLOAT4_BYTES, "float64": sql.FLOAT8_BYTES}
    return {column.name: ways[column.type.kind] for column in columns if column.type.kind in ways}

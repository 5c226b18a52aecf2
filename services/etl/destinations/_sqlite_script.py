"""The SQL that a run says to SQLite, for people to read before it runs. Needs no connection."""

from services.etl.columns import Columns
from services.etl.destinations import _sqlite_sql as sql
from services.etl.pipeline.definition import History
from services.etl.pipeline.job import JobSpec, JobTarget
from shared.engines.sqlite import quote


def script(job: JobSpec, columns: Columns) -> list[str]:
    """The statements in their order; those that begin with -- are remarks. Values of the run are ?."""
    keeps_cursor = [sql.WRITE_CURSOR] if job.stream else []
    return [
        "BEGIN IMMEDIATE",
        sql.HELD_FENCE,
        sql.LEDGER_ROW,
        *_writing(job.table, columns),
        sql.HELD_FENCE,
        sql.WRITE_LEDGER,
        *keeps_cursor,
        "COMMIT",
    ]


def _writing(target: JobTarget, columns: Columns) -> list[str]:
    table, names = quote(target.table_name), columns.names
    match target.mode:
        case "append":
            return [sql.insert(f"main.{table}", names, firmly=sql.FIRMLY)]
        case "upsert" | "insert_only":
            keep_known = target.mode == "insert_only"
            return [*_staged(target, columns), sql.merge(table, names, target.key, keep_known=keep_known)]
        case "replace":
            straight = [sql.empty(table), sql.insert(f"main.{table}", names, firmly=sql.FIRMLY)]
            if not target.key:
                return straight
            return [
                *straight,
                "-- or, when foreign keys of other tables point at it:",
                *_staged(target, columns),
                sql.delete_absent(table, target.key),
                sql.merge(table, names, target.key),
            ]
        case "scd2":
            return [*_staged(target, columns), *_versions(target, columns)]


def _staged(target: JobTarget, columns: Columns) -> list[str]:
    stage = sql.create_stage([(column.name, "") for column in columns])
    return [
        stage,
        sql.insert(sql.STAGE, columns.names),
        sql.index_stage(target.key),
        sql.drop_losers(columns.names, target.key, target.winner),
    ]


def _versions(target: JobTarget, columns: Columns) -> list[str]:
    history = target.history or History()
    versions = sql.Versions(quote(target.table_name), columns.names, target.key, history)
    closing = [versions.close_absent()] if history.absent == "close" else []
    return [
        versions.look(),
        *closing,
        versions.drop_unchanged(),
        versions.close_changed(),
        versions.open_new(),
    ]

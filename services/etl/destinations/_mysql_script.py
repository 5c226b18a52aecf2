"""The SQL that a run says to MySQL, for people to read before it runs. Needs no connection.

Which of its ways a replacement takes is decided by what the catalog says when it runs: all are shown. Where a
server takes no LOAD DATA LOCAL, the same rows come by INSERT.
"""

from collections.abc import Sequence

from services.etl.columns import Column, Columns
from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations import _mysql_swap_sql as swap_sql
from services.etl.destinations._mysql_history_sql import Statements
from services.etl.destinations._mysql_work import Into
from services.etl.pipeline.definition import History
from services.etl.pipeline.job import JobSpec, JobTarget
from services.etl.tables.dialects import DIALECTS
from shared.engines import mysql

_RUN = "<run>"
_STAGE = f"_penstock_stage_{_RUN}"


def script(job: JobSpec, columns: Columns) -> list[str]:
    """The statements in their order; those that begin with -- are remarks. Values of the run are %s."""
    schema = mysql.quote(job.table.schema_name or mysql.target_of(job.table.connection).database)
    writing = _Writing(job.table, schema, columns)
    keeps_cursor = [sql.write_cursor(schema)] if job.stream else []
    recorded = [sql.held_fence(schema), sql.write_ledger(schema), *keeps_cursor, "COMMIT"]
    return [
        sql.raise_fence(schema),
        sql.TAKE_LOCK,
        sql.ledger_row(schema),
        *writing.statements(),
        *(writing.swapped(recorded) if job.table.mode == "replace" else recorded),
    ]


class _Writing:
    """What becomes of the rows of one job."""

    def __init__(self, target: JobTarget, schema: str, columns: Columns) -> None:
        self._target = target
        self._schema = schema
        self._table = f"{schema}.{mysql.quote(target.table_name)}"
        self._stage = f"{schema}.{mysql.quote(_STAGE)}"
        self._names = columns.names
        self._found = [_found(column) for column in columns]

    def statements(self) -> list[str]:
        """The statements up to the commit; those of a replacement are rewritten or merged by key."""
        match self._target.mode:
            case "append":
                return [sql.hold_table(self._table), self._load(Into(self._table))]
            case "upsert" | "insert_only":
                return [sql.hold_table(self._table), *self._staged(), *self._merged()]
            case "scd2":
                return [sql.hold_table(self._table), *self._staged(), *self._versions()]
            case "replace":
                return ["-- When nothing hangs on the table that a new one would not have:"]

    def swapped(self, committed: list[str]) -> list[str]:
        """A replacement's three ways, each with its commit."""
        new, old = (f"{self._schema}.{mysql.quote(f'_penstock_<table>_{_RUN}_{end}')}" for end in "no")
        ways = [
            f"CREATE TABLE {new} LIKE {self._table}",
            sql.hold_table(self._table),
            self._load(Into(new)),
            sql.held_fence(self._schema),
            swap_sql.note(self._schema),
            swap_sql.swap(self._table, new=new, old=old),
            f"TRUNCATE TABLE {old}",
            swap_sql.record(self._schema),
            swap_sql.forget(self._schema),
            "COMMIT",
            f"DROP TABLE IF EXISTS {old}",
            "-- When triggers or foreign keys of its own hang on it, or the user may not swap:",
            sql.empty(self._table),
            self._load(Into(self._table)),
            *committed,
        ]
        if not self._target.key:
            return ways
        by_key = [sql.delete_absent(self._table, self._stage, self._target.key), *self._merged()]
        return [
            *ways,
            "-- When foreign keys of other tables point at it:",
            *self._staged(),
            *by_key,
            *committed,
        ]

    def _load(self, into: Into) -> str:
        before, _ = into.insert(self._names, self._target.key)
        return into.load(self._found) or f"{before}..."

    def _staged(self) -> list[str]:
        into = Into(self._stage, self._target.winner)
        return [sql.create_stage(self._stage, self._found, self._target.key), self._load(into)]

    def _merged(self) -> Sequence[str]:
        key = self._target.key
        update = sql.update_changed(self._table, self._stage, self._found, key)
        updates = [update] if update is not None and self._target.mode != "insert_only" else []
        return [*updates, sql.insert_new(self._table, self._stage, self._names, key)]

    def _versions(self) -> Sequence[str]:
        history = self._target.history or History()
        said = Statements(self._table, self._stage, self._found, self._target.key, history, "<now>")
        closing = [said.close_absent()] if history.absent == "close" else []
        looks = [said.valid_versions(), said.later_versions()]
        return [*looks, *closing, said.drop_unchanged(), said.close_changed(), said.open_new()]


def _found(column: Column) -> sql.Found:
    """A column as the table has it where we have made it ourselves."""
    declared = DIALECTS["mysql"].type_name(column.type)
    data_type = declared.partition("(")[0]
    return sql.Found(column.name, data_type, declared, column.nullable, None, "", None, None, None, None)

"""The ledger and the fence in the target database: what makes the effect of a run exactly once.

A run's rows and its ledger row commit in one transaction. A run that finds its row has been applied. The
fence holds, for each table, the highest fence that has come: a lower one may not commit. The cursor says, for
each incremental stream, how far its source is in the target; it is written in that same transaction, too.
"""

from typing import Final
from uuid import UUID

LEDGER: Final = "_penstock_ledger"
FENCE: Final = "_penstock_fence"
CURSOR: Final = "_penstock_cursor"


def statements(dialect: str, schema: str | None = None) -> tuple[str, str]:
    """The DDL of both tables, harmless where they exist. `schema` is the quoted schema, if there is one."""
    prefix = f"{schema}." if schema else ""
    if dialect == "mysql":
        return _in_mysql(prefix)
    text, number = ("text", "bigint") if dialect == "postgresql" else ("TEXT", "INTEGER")
    ledger = (
        f"CREATE TABLE IF NOT EXISTS {prefix}{LEDGER} (run_id {text} PRIMARY KEY, table_key {text} NOT NULL,"
        f" fence {number} NOT NULL, counts {text} NOT NULL, cursor {text}, committed_at {_now(dialect)})"
    )
    fence = (
        f"CREATE TABLE IF NOT EXISTS {prefix}{FENCE} (table_key {text} PRIMARY KEY,"
        f" fence {number} NOT NULL, run_id {text} NOT NULL)"
    )
    return ledger, fence


def _in_mysql(prefix: str) -> tuple[str, str]:
    """A table key has at most 300 characters; keys compare by their code points. `committed_at` is in UTC."""
    key = "table_key varchar(300) NOT NULL"
    options = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    ledger = (
        f"CREATE TABLE IF NOT EXISTS {prefix}{LEDGER} (run_id char(32) NOT NULL PRIMARY KEY, {key},"
        " fence bigint NOT NULL, counts longtext NOT NULL, `cursor` longtext,"
        f" committed_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))) {options}"
    )
    fence = (
        f"CREATE TABLE IF NOT EXISTS {prefix}{FENCE} ({key} PRIMARY KEY, fence bigint NOT NULL,"
        f" run_id char(32) NOT NULL) {options}"
    )
    return ledger, fence


def cursor_statement(dialect: str, schema: str | None = None) -> str:
    """The DDL of the table of cursors, harmless where it exists. `schema` is the quoted schema."""
    prefix = f"{schema}." if schema else ""
    if dialect == "mysql":
        return (
            f"CREATE TABLE IF NOT EXISTS {prefix}{CURSOR} (stream varchar(300) NOT NULL PRIMARY KEY,"
            " `cursor` longtext NOT NULL, run_id char(32) NOT NULL,"
            " updated_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
            " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )
    text = "text" if dialect == "postgresql" else "TEXT"
    return (
        f"CREATE TABLE IF NOT EXISTS {prefix}{CURSOR} (stream {text} PRIMARY KEY, cursor {text} NOT NULL,"
        f" run_id {text} NOT NULL, updated_at {_now(dialect)})"
    )


def _now(dialect: str) -> str:
    if dialect == "postgresql":
        return "timestamptz NOT NULL DEFAULT now()"
    return "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ', 'now'))"


def application_name(run_id: UUID, fence: int) -> str:
    """What a session of an attempt calls itself, so that a successor knows it (at most 63 bytes)."""
    return f"penstock {run_id.hex} {fence}"

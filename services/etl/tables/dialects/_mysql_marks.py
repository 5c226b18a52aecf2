"""The notes in a database of MySQL or MariaDB about our tables, as statements.

DDL commits by itself: so a change notes that it has begun before its first statement, that its columns are
about to get their last names before the last of several, and that it is done after that.
"""

# ruff: noqa: S608  names are quoted, and values are literals of ours

from typing import Final, Literal
from uuid import UUID

from services.etl.tables.physical import Mark

from .base import text_literal
from .work import Sql

State = Literal["begun", "settled", "published"]

OPTIONS: Final = (
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4"
    " /*!80017 COLLATE utf8mb4_0900_bin */ /*M!100203 COLLATE utf8mb4_nopad_bin */"
)
"""MySQL 8.0.17 and MariaDB 10.2.3 have their collation; each takes the other's comment for a comment."""


def made(marks: Sql) -> Sql:
    """The table of notes, unless it is there."""
    return Sql(
        f"CREATE TABLE IF NOT EXISTS {marks} (table_id char(36) NOT NULL, state varchar(10) NOT NULL,"
        " table_name varchar(64) NOT NULL, revision bigint NOT NULL, fingerprint char(64) NOT NULL,"
        " noted_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),"
        f" PRIMARY KEY (table_id, state)) {OPTIONS}"
    )


def note(marks: Sql, name: str, mark: Mark, state: State) -> Sql:
    """The note that the table of this name is at this state of this revision."""
    return Sql(
        f"REPLACE INTO {marks} (table_id, state, table_name, revision, fingerprint)"
        f" VALUES ('{mark.table_id}', '{state}', {text_literal(name)}, {mark.revision:d},"
        f" {text_literal(mark.fingerprint)})"
    )


def outdated(marks: Sql, name: str, table_id: UUID) -> Sql:
    """No note that another data table has a table of this name: there is one, and it is this one's."""
    return Sql(f"DELETE FROM {marks} WHERE table_name = {text_literal(name)} AND table_id <> '{table_id}'")


def ended(marks: Sql, table_id: UUID) -> Sql:
    """No note that anything has begun."""
    return Sql(f"DELETE FROM {marks} WHERE table_id = '{table_id}' AND state <> 'published'")


def removed(marks: Sql, table_id: UUID) -> Sql:
    """No note of this table at all."""
    return Sql(f"DELETE FROM {marks} WHERE table_id = '{table_id}'")

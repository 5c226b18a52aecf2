"""Statements that both dialects know and SQLAlchemy keeps apart."""

from typing import TYPE_CHECKING, Any, cast

from shared.db.engine import Dialect

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert


def upsert(dialect: Dialect, table: Any) -> "Insert":
    """Begin an INSERT into a table or model that goes on with ON CONFLICT.

    The dialects are imported here: PostgreSQL's costs a tenth of a second that embedded mode needn't spend.
    """
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        # Both classes have the methods that are used: on_conflict_do_*, excluded, values, returning.
        return cast("Insert", postgresql.insert(table))
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)

"""Column types that mean the same on PostgreSQL and SQLite, and the database's own clock."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import DateTime, TypeDecorator

Uuid = sqlalchemy.Uuid
"""Native on PostgreSQL, 32 hexadecimal digits on SQLite; both sort version 7 by time."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Takes and gives aware datetimes only.

    PostgreSQL keeps it as `timestamptz`, SQLite as the text `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts
    and compares as the moments do.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone can't be stored: it names no moment")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON document: `jsonb` on PostgreSQL, text on SQLite. None is SQL's NULL; NaN is refused."""

    impl = sqlalchemy.JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            # Imported here: it costs a tenth of a second that embedded mode doesn't need.
            from sqlalchemy.dialects.postgresql import JSONB

            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(sqlalchemy.JSON(none_as_null=True))


def json_text(value: Any) -> str:
    """The text under which `Json` keeps a value."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


class _UtcNow(FunctionElement[datetime]):
    name = "utc_now"
    inherit_cache = True


def utc_now(offset_seconds: float | ColumnElement[float] = 0.0) -> ColumnElement[datetime]:
    """The database's clock in UTC, moved by `offset_seconds`, to store in or compare with `UtcDateTime`.

    Leases and due times are decided by this clock alone, so the clocks of the machines don't matter. On
    PostgreSQL it is the start of the statement (not of the transaction, which may have waited for a lock);
    SQLite's has a resolution of one millisecond.
    """
    if not isinstance(offset_seconds, ColumnElement):
        offset_seconds = sqlalchemy.bindparam(None, float(offset_seconds), sqlalchemy.Double())
    moment = _UtcNow(offset_seconds)
    moment.type = UtcDateTime()
    return moment


@compiles(_UtcNow, "postgresql")
def _postgresql_now(element: _UtcNow, compiler: SQLCompiler, **options: Any) -> str:
    offset = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + make_interval(secs => {offset}))"


@compiles(_UtcNow, "sqlite")
def _sqlite_now(element: _UtcNow, compiler: SQLCompiler, **options: Any) -> str:
    offset = compiler.process(element.clauses, **options)
    # %f has three decimals; three zeros make it as long as the stored values, so that text compares.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('%+.3f seconds', {offset}))"

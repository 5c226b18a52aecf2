"""Rows of PostgreSQL for a table of PostgreSQL, in COPY's binary form, without a look at them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.etl.columns import Column, ColumnType
from services.etl.loaders._base import Reading
from services.etl.loaders._database_reading import DatabaseReading
from services.etl.loaders._database_sql import FoundColumn
from services.etl.loaders._postgresql_cells import base

_PORTABLE: Final = frozenset(
    {
        "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "text",
        "character varying", "date", "time without time zone", "timestamp without time zone",
        "timestamp with time zone", "uuid", "jsonb", "bytea",
    }
)  # fmt: skip
"""Types whose binary form is the same in every version (manual, COPY, "Binary Format")."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column of the target: its type as `format_type` spells it and in ours, and if NULL is refused."""

    spelled: str
    type: ColumnType
    required: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of COPY; the last part has none, and says how many rows all of them were."""

    data: bytes
    rows: int = 0


def parts(reading: Reading, wanted: Mapping[str, Wanted]) -> Iterator[Part] | None:
    """The rows as COPY's binary form, or None where one of them might not be taken as it is.

    They are, where every column has the very type of the target's and nothing has to be checked: no NULL can
    be where none may be, the condition is decided by the database, and no cursor may be NULL or infinite. Not
    what is read in parts, where each row has to tell its key.
    Connects, so that it may take long: not in an event loop.
    """
    if not isinstance(reading, DatabaseReading) or reading.engine != "postgresql":
        return None
    if reading.loader.partition is not None:
        return None
    selection = reading.begin()
    if not reading.pushed.exact or not _is_plain_cursor(reading, selection.found):
        return None
    for column in selection.columns:
        if column.name not in wanted or not _is_same(
            column, selection.found[column.name], wanted[column.name]
        ):
            return None
    return _taken(reading)


def _is_same(column: Column, found: FoundColumn, wanted: Wanted) -> bool:
    may_lack = found.nullable and (wanted.required or not column.nullable)
    same_type = found.spelled == wanted.spelled and found.type == column.type == wanted.type
    return same_type and base(found.spelled) in _PORTABLE and not may_lack


def _is_plain_cursor(reading: DatabaseReading, found: Mapping[str, FoundColumn]) -> bool:
    name = reading.loader.params.cursor_column
    if name is None:
        return True
    kind = found[name].type
    return kind is not None and (kind.is_integer or kind.is_text) and not found[name].nullable


def _taken(reading: DatabaseReading) -> Iterator[Part]:
    from services.etl.loaders._postgresql_session import PostgresqlSession

    session = reading.session
    assert isinstance(session, PostgresqlSession)
    for data in session.binary(reading.begin()):
        yield Part(data)
        reading.given(session.bytes_read)
    reading.ended()
    yield Part(b"", session.copied)

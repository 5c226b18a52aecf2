"""The port to a database that is read: one session that can't write, one snapshot."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.etl.columns import Columns, ColumnType
from services.etl.loaders._base import Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_loader import Relation
from services.etl.loaders._database_sql import FoundColumn, SourceSql
from services.etl.pipeline.errors import SourceInvalid


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read: declared columns, all of which were found, under conditions in SQL."""

    relation: Relation
    columns: Columns
    found: Mapping[str, FoundColumn]
    conditions: Sequence[str] = ()
    limit: int | None = None


SAMPLE: Final = 1000
"""First rows by which a type is guessed."""


class Session(ABC):
    """One session with a database, from one thread at a time; only `close` may come from another one.

    Raises SourceInvalid, SourceChanged, SourceBusy, ConnectFailed, and JobCancelled after `close`.
    """

    sql: SourceSql
    bytes_read: int = 0
    """Bytes that came from the server so far, where they can be counted."""

    @abstractmethod
    def columns(self, relation: Relation) -> list[FoundColumn]:
        """The columns of a table or query."""

    def guess(self, _relation: Relation, _column: FoundColumn) -> ColumnType | None:
        """A type for a column whose own type says too little, by its first values; None leaves it a text."""
        return None

    @abstractmethod
    def value(self, statement: str) -> str | None:
        """The only value of a statement's only row, which is text."""

    @abstractmethod
    def rows(self, selection: Selection) -> Iterator[Raw]:
        """The rows in blocks, a few megabytes each."""

    @abstractmethod
    def expected(self, relation: Relation) -> int | None:
        """About how many rows a table has, where the server knows without counting."""

    @abstractmethod
    def close(self) -> None:
        """End the session and whatever runs in it. May be called again, and from another thread."""


def open_session(source: Source) -> Session:
    """A session with the resource, and its snapshot. Raises ConnectFailed."""
    return _OPENERS[engine_of(source)](source)


def engine_of(source: Source) -> str:
    """The type of the database that is read. Raises SourceInvalid where the resource is no database."""
    if source.connection is None:
        raise SourceInvalid(reason="its resource is not there")
    engine = source.connection.connection.type
    if engine not in _OPENERS:
        raise SourceInvalid(reason=f"its resource is of the type {engine!r}, which is no database")
    return engine


def _postgresql(source: Source) -> Session:
    from services.etl.loaders._postgresql_session import PostgresqlSession

    return PostgresqlSession(source)


def _mysql(source: Source) -> Session:
    from services.etl.loaders._mysql_session import MysqlSession

    return MysqlSession(source)


def _sqlite(source: Source) -> Session:
    from services.etl.loaders._sqlite_session import SqliteSession

    return SqliteSession(source)


_OPENERS: Final[Mapping[str, Callable[[Source], Session]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "sqlite": _sqlite,
}

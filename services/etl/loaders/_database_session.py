"""The port to a database that is read: one session that can't write, one snapshot."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.etl.columns import Columns, ColumnType
from services.etl.loaders._base import Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import KeySql, UniqueKey, Values
from services.etl.loaders._database_loader import Relation, Table
from services.etl.loaders._database_sql import UNORDERED, FoundColumn, SourceSql
from services.etl.pipeline.errors import SourceInvalid


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read: declared columns, all of which were found, under conditions in SQL.

    With a `key` rows come in its order. `values` are the parameters of the conditions, where they have some.
    """

    relation: Relation
    columns: Columns
    found: Mapping[str, FoundColumn]
    conditions: Sequence[str] = ()
    limit: int | None = None
    key: UniqueKey | None = None
    values: Values = ()


SAMPLE: Final = 1000
"""First rows by which a type is guessed."""


class Session(ABC):
    """One session with a database, from one thread at a time; only `close` may come from another one.

    Raises SourceInvalid, SourceChanged, SourceBusy, ConnectFailed, and JobCancelled after `close`.
    """

    sql: SourceSql
    key_sql: KeySql
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
    def keys(self, table: Table, found: Sequence[FoundColumn]) -> list[UniqueKey]:
        """The unique keys of a table by which it can be ordered; none of a view."""

    @abstractmethod
    def rest(self) -> None:
        """End the transaction: no snapshot and no lock is held."""

    @abstractmethod
    def renew(self) -> None:
        """Begin another transaction, which sees what was committed until now."""

    @abstractmethod
    def first(self, statement: str, count: int, values: Values) -> Values | None:
        """The `count` cells of a statement's only row, or None where there is no row."""

    @abstractmethod
    def rows(self, selection: Selection) -> Iterator[Raw]:
        """The rows in blocks, a few megabytes each."""

    def select(self, expressions: Sequence[str], selection: Selection) -> str:
        """The statement for a selection."""
        order = self.key_sql.order(selection.key) if selection.key else UNORDERED
        return self.sql.select(
            expressions, selection.relation, selection.conditions, limit=selection.limit, order=order
        )

    def with_key(self, expressions: Sequence[str], selection: Selection) -> tuple[list[str], list[int]]:
        """The expressions and, where they aren't among them, those of the key; and where each of those is."""
        all_of_them, places = list(expressions), list[int]()
        for column in selection.key.columns if selection.key else ():
            expression = self.key_sql.selected(column)
            if expression not in all_of_them:
                all_of_them.append(expression)
            places.append(all_of_them.index(expression))
        return all_of_them, places

    def key_at(self, selection: Selection, *, offset: int = 0, last: bool = False) -> Values | None:
        """The key of the selection's row that `offset` others precede, or of its last; None without one."""
        assert selection.key is not None
        columns = selection.key.columns
        statement = self.sql.select(
            [self.key_sql.selected(column) for column in columns],
            selection.relation,
            selection.conditions,
            limit=1,
            order=self.key_sql.order(selection.key, descending=last, offset=offset),
        )
        return self.first(statement, len(columns), selection.values)

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

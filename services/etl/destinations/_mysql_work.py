"""What the ways of writing into a table of MySQL have in common: session, columns, key, stage."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_attempt import Attempt
from services.etl.destinations._mysql_errors import needing
from services.etl.destinations._mysql_session import Session
from services.etl.destinations._target import Written
from services.etl.pipeline.definition import Winner
from services.etl.pipeline.errors import TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts, Job
from shared.engines import mysql


@dataclass(frozen=True, slots=True)
class Into:
    """What takes the rows: a table with its full quoted name.

    `winner`: it has one row for each key, the one that came last, or first; without it every row is one.
    """

    table: str
    winner: Winner | None = None

    def insert(self, columns: Sequence[str], key: Sequence[str]) -> tuple[str, str]:
        """The beginning and the end of a statement whose rows come as literals in between."""
        if self.winner is None:
            return sql.insert(self.table, columns), ""
        return sql.stage_rows(self.table, columns, key, self.winner)

    def load(self, columns: Sequence[sql.Found]) -> str | None:
        """The statement whose rows come as text; none where a row that stays out would be a warning."""
        if self.winner == "first":
            return None
        return sql.load(self.table, columns, replacing=self.winner is not None)

    def took(self, rows: int, touched: int) -> bool:
        """Whether so many touched rows are right for so many given ones.

        A row that takes another one's place counts twice, one that doesn't not at all.
        """
        return touched == rows if self.winner is None else touched <= 2 * rows


@dataclass(frozen=True, slots=True)
class Work:
    """An attempt's work on a table: `schema` is the name of its database, `table` its full quoted name."""

    session: Session
    attempt: Attempt
    job: Job
    schema: str
    table: str
    names: Sequence[str]
    merging: Callable[[], None]

    def beside(self, name: str) -> str:
        """The full quoted name of another table in its database."""
        return f"{mysql.quote(self.schema)}.{mysql.quote(name)}"

    async def unique_keys(self) -> Mapping[str, Sequence[str]]:
        """The columns of the table's unique keys; one over a part of a column has "" in its place."""
        keys: dict[str, list[str]] = {}
        where = (self.schema, self.job.table.table_name)
        for index, column, sub_part, kind in await self.session.rows(sql.UNIQUE_KEYS, *where):
            plain = column is not None and sub_part is None and kind == "BTREE"
            keys.setdefault(index, []).append(column if plain else "")
        return keys


class Way(ABC):
    """One way of writing.

    `prepare` does what commits by itself, `examine` looks at the table while nobody can alter it, `begin`
    makes what the rows are sent into, `finish` makes them the table's, and `publish` commits them.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._found: Mapping[str, sql.Found] = {}

    async def prepare(self) -> None:  # noqa: B027  most ways need nothing of the kind
        """Do what can be no part of the transaction."""

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        """Check what the way needs of the table, whose columns these are. Raises TargetUnfit."""
        self._found = found

    @abstractmethod
    async def begin(self) -> Into:
        """Make a place for the rows."""

    @abstractmethod
    async def finish(self, sent: int) -> Written:
        """Bring what was sent into the table and say what became of it."""

    async def publish(self, counts: Counts) -> None:
        """Commit it with its ledger row."""
        await self._work.attempt.record(counts)
        await self._work.session.commit()

    async def discard(self) -> None:  # noqa: B027  most ways leave nothing
        """Remove what a session leaves behind."""

    @property
    def _columns(self) -> Sequence[sql.Found]:
        return [self._found[name] for name in self._work.names]

    def _check_exact(self) -> None:
        """Raises TargetUnfit where a column of the key takes different texts for one."""
        for name in self._work.job.table.key:
            column = self._found[name]
            if not column.is_exact:
                raise TargetUnfit(
                    reason=f"its column {name!r} compares by {column.collation}, which takes different"
                    " keys for one"
                )

    async def _stage(self) -> Into:
        """A temporary table that only this session sees, gone with it however that ends: one row a key."""
        target = self._work.job.table
        stage = self._work.beside(sql.stage_name(self._work.job.run_id))
        try:
            await self._work.session.execute(sql.create_stage(stage, self._columns, target.key))
        except TargetRefused as error:
            raise needing("CREATE TEMPORARY TABLES", error) from None
        return Into(stage, target.winner)

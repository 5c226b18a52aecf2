"""The port to a target database: one session, one transaction, exactly-once effect."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from services.etl.columns import Column, Columns
from services.etl.pipeline.job import Counts, Job, JobSpec, WrittenFile
from services.etl.runner.messages import ChildMessage
from shared.security.guard import OutboundPolicy

if TYPE_CHECKING:
    from services.etl.loaders._base import Reading
    from services.etl.pipeline.casting import Cast


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, as data."""

    upsert: bool = True
    transactional_ddl: bool = True
    concurrent_writers: bool = True


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for the target: a `pyarrow.RecordBatch` of the columns that are written, in their order.

    `records` (NumPy int64) are the numbers of the records they came from, where that is known.
    """

    batch: Any
    columns: Columns
    records: Any = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows in the form in which the engine takes them."""

    rows: int
    payload: Any


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows: staged = inserted + updated + unchanged + deduplicated."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deduplicated: int = 0

    @property
    def written(self) -> int:
        """Rows that stand in the table now because of the run."""
        return self.inserted + self.updated + self.unchanged


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a target needs beside the job: the outbound policy, whom to tell, a folder of the run alone."""

    policy: OutboundPolicy
    tell: Callable[[ChildMessage], None] = field(default=lambda _message: None)
    scratch: Path | None = None


class Target(ABC):
    """One attempt's session with a target database. Write one file with one subclass.

    The order of calls: `prepare`, `last_cursor`, then `encode` (in another thread) and `write`, then
    `commit`, or `abandon` anywhere. Everything from `prepare` to `commit` is one transaction of the target.
    Errors are TargetUnfit, TargetRefused (terminal), TargetBusy (transient), FenceOutdated or ConnectFailed.
    """

    kind: ClassVar[str] = "target"
    name: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()
    fills: ClassVar[Literal["table", "file"]] = "table"

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        self.job = job
        self.columns = columns
        self.surroundings = surroundings

    @classmethod
    def limited(cls, cast: "Cast", column: Column) -> "Cast":  # noqa: ARG003 - for subclasses
        """Make those cells bad that the engine would not keep as they are: they are rejected.

        Called in the pipeline's thread, for each column of the rows as the table declares it.
        """
        return cast

    @classmethod
    def script(cls, job: JobSpec, columns: Columns) -> list[str]:  # noqa: ARG003 - for subclasses
        """The SQL that a run of the job says to the target, for people to read. Needs no connection."""
        return []

    @abstractmethod
    async def prepare(self) -> Counts | None:
        """Connect, end earlier attempts, begin. Returns the counts of this run's commit if there is one."""

    async def last_cursor(self) -> str | None:
        """How far the last run of the job's stream has read, as its commit has left it."""
        return None

    @property
    def file(self) -> WrittenFile | None:
        """The file that is written, once it is committed; None where rows go to a table."""
        return None

    async def straight(self, reading: "Reading") -> "Iterator[Encoded] | None":  # noqa: ARG002 - for subclasses
        """The rows of the source as it has them, where the target can take just those; None for most sources.

        Asked after `prepare` when no step stands between them; the items go to `write` in the place of what
        `encode` makes, and the last one tells the number of all rows.
        """
        return None

    @abstractmethod
    def encode(self, rows: Rows) -> Encoded:
        """Bring rows into the engine's form. Called in a thread of its own, one batch at a time."""

    @abstractmethod
    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        """Write all rows into the transaction."""

    @abstractmethod
    async def commit(self, counts: Counts) -> None:
        """Check the fence, write the ledger row and the stream's cursor where `counts` has one, commit."""

    @abstractmethod
    async def abandon(self) -> None:
        """Roll back what is not committed and close the session. Never raises; may be called twice."""

    @abstractmethod
    async def settle(self) -> Counts | None:
        """End other sessions of this run and say what is committed, finally. The job's process is gone."""

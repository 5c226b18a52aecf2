"""The base of loaders: a source of rows, read in batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from uuid import UUID

from services.etl.columns import Columns
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.step import Step
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.contracts.connection import ResourceConnection
from shared.security.guard import OutboundPolicy


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on this machine, and how many bytes and which SHA-256 it is known to have."""

    path: Path
    size: int
    sha256: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What a loader reads from: files in their order, or the resource of this connection.

    `cursor` is how far the last run has read. `records`, where given, are the only ones that are wanted, as
    numbered over all files. `scratch` is a folder for files of its own, gone with the run. `beginning` says
    that only the first rows will be taken: what has to be fetched needn't be fetched to its end.
    """

    files: tuple[SourceFile, ...] = ()
    connection: ResourceConnection | None = None
    sqlite_path: Path | None = None
    policy: OutboundPolicy = field(default_factory=OutboundPolicy)
    cursor: str | None = None
    records: frozenset[int] | None = None
    scratch: Path | None = None
    beginning: bool = False

    @property
    def file(self) -> SourceFile:
        """The only file."""
        (file,) = self.files
        return file


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be found before a loader can read: a file by its id, files by their names, a resource.

    The resource is to be of one of the `resource_types`.
    """

    file_id: UUID | None = None
    pattern: str | None = None
    resource_id: UUID | None = None
    resource_types: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.file_id, self.pattern, self.resource_id))


@dataclass(slots=True)
class Batch:
    """Rows of the source as a `pyarrow.RecordBatch` of the declared types.

    `records` are their record numbers in their file (NumPy int64), of which `first` are in files before it.
    `rows_read` counts every record that the batch came from: `rows_read` = rows + rejected + filtered.
    `lines` are the physical lines of `records`, 0 where there are none. `raw` gives the texts of some
    records of the batch, by their numbers in the file.
    """

    rows: Any
    records: Any
    lines: Any
    rows_read: int
    rejected: list[RejectedRow] = field(default_factory=list)
    rejected_lines: Sequence[int | None] = ()
    filtered: int = 0
    file: str = ""
    first: int = 0
    raw: Callable[[Sequence[int]], list[str | None]] | None = None


class Reading(ABC):
    """A source that is open within its context.

    `bytes_read` were taken from the source, perhaps well ahead; `bytes_done` belong to the batches that were
    given, as nearly as it is known. At the end both are `size`, where the source has one.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  what is wholly in memory has nothing to close
        """Give back what was opened and end what is under way, as leaving the context does."""

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the source so far."""
        return 0

    @property
    def bytes_done(self) -> int:
        """Bytes whose rows were given."""
        return self.bytes_read

    @property
    def size(self) -> int | None:
        """Bytes of the whole source, where that is known."""
        return None

    @property
    def rows_expected(self) -> int | None:
        """About how many rows will come, where the source knows."""
        return None

    @property
    def cursor(self) -> str | None:
        """After the last batch: where the next run goes on. None leaves it as it was."""
        return None

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]:
        """The batches, once."""


class Loader(Step, ABC):
    """Reads a source in batches of bounded memory.

    Write one file with one subclass. The module must not import pandas or pyarrow when it is imported.
    Parameters named `file_id`, `pattern` and `resource_id` say what it reads from; one named `cursor_column`
    says how far the last run came.
    """

    kind: ClassVar[str] = "loader"
    resource_types: ClassVar[tuple[str, ...]] = ()
    """Types of resources that it reads from; none where it reads from no resource."""

    def needs(self) -> Needs:
        """What has to be found for it, by the parameters that are named so."""
        given = {name: getattr(self.params, name, None) for name in ("file_id", "pattern", "resource_id")}
        return Needs(**given, resource_types=self.resource_types)

    @property
    def incremental(self) -> bool:
        """Whether each run goes on where the last one ended."""
        return getattr(self.params, "cursor_column", None) is not None

    @abstractmethod
    def columns_out(self) -> Columns:
        """The columns of the batches, from the parameters alone."""

    @abstractmethod
    def open(self, source: Source) -> Reading:
        """The source, which entering its context opens.

        Raises SourceInvalid or SourceChanged, here, there or while batches are taken.
        """

    @classmethod
    @abstractmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        """Look at the beginning of a source and complete the parameters that are not given."""

    @classmethod
    def looked_at(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        """The preview, after what is elsewhere was fetched."""
        return cls.preview(spec, source)

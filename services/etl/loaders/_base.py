"""The base of loaders: a source of rows, read in batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from services.etl.columns import Columns
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.step import Step
from services.etl.previews.definition import PreviewResult, PreviewSpec


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file on this machine, and how many bytes and which SHA-256 it is known to have."""

    path: Path
    size: int
    sha256: str | None = None


@dataclass(slots=True)
class Batch:
    """Rows of the source as a `pyarrow.RecordBatch` of the declared types.

    `records` are their record numbers (NumPy int64). `rows_read` counts every record that the batch came
    from: `rows_read` = rows + rejected + filtered. `lines` are the physical lines of `records`.
    """

    rows: Any
    records: Any
    lines: Any
    rows_read: int
    rejected: list[RejectedRow] = field(default_factory=list)
    rejected_lines: Sequence[int] = ()
    filtered: int = 0


class Reading(Protocol):
    """A source that is open.

    `bytes_read` were taken from the source, perhaps well ahead; `bytes_done` belong to the batches that were
    given, as nearly as it is known. At the end both are the source's size.
    """

    @property
    def bytes_read(self) -> int: ...

    @property
    def bytes_done(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class Loader(Step, ABC):
    """Reads a source in batches of bounded memory.

    Write one file with one subclass. The module must not import pandas or pyarrow when it is imported.
    """

    kind: ClassVar[str] = "loader"

    @abstractmethod
    def columns_out(self) -> Columns:
        """The columns of the batches, from the parameters alone."""

    @abstractmethod
    def open(self, source: SourceFile) -> AbstractContextManager[Reading]:
        """Open the source. Raises SourceInvalid or SourceChanged, here or while batches are taken."""

    @classmethod
    @abstractmethod
    def preview(cls, spec: PreviewSpec) -> PreviewResult:
        """Look at the beginning of a source and complete the parameters that are not given."""

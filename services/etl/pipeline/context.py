"""What a handler gets beside the frame. Plain Python; pandas only for the type checker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from services.etl.columns import Columns
from shared import clock as time

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that a step doesn't let through: its record number, where it is wrong, and why."""

    record: int
    column: str | None
    value: str | None
    expected: str | None
    code: str
    reason: str
    raw: str | None = None


class Lookup(Protocol):
    """A further source that a step reads: its columns, and its rows as often as it wants them."""

    @property
    def columns(self) -> Columns: ...

    def batches(self) -> Iterator[Any]:
        """All rows as `pyarrow.RecordBatch`es. Raises LookupInvalid where a row can't be read."""


MEMORY_MB: Final = 128
"""What a step that sees the whole table may take before it spills, unless it is told otherwise."""


@dataclass(slots=True)
class Context:
    """The surroundings of one step in one run.

    `state` outlives a batch and belongs to the step alone. Rows that a handler drops must be declared by
    `reject`, `filtered`, `deduplicated` or `merged`, and rows that it makes by `added`: the run fails when
    its rows don't add up. `moment` is when the run began; `scratch` is a folder of this run alone, gone with
    it; a step that holds rows may take `memory_mb` MiB for them.
    """

    step: str
    run_id: UUID | None = None
    tenant_id: UUID | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], datetime] = time.now
    moment: datetime = field(default_factory=time.now, compare=False)
    state: dict[str, Any] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    filtered_rows: int = 0
    deduplicated_rows: int = 0
    merged_rows: int = 0
    added_rows: int = 0
    columns_in: Columns = Columns.EMPTY
    columns_out: Columns = Columns.EMPTY
    scratch: Path | None = None
    memory_mb: int = MEMORY_MB
    lookups: Mapping[str, Lookup] = field(default_factory=dict)

    def lookup(self, name: str) -> Lookup:
        """The further source that the step has named so."""
        return self.lookups[name]

    def reject(self, frame: "DataFrame", rows: Sequence[RejectedRow]) -> "DataFrame":
        """Take rows out of the frame, by record number, and tell why. One reason for each row is kept.

        Where a step before has made several rows of a record, all of them that are in the frame go.
        """
        if not rows:
            return frame
        first = {row.record: row for row in reversed(rows)}
        gone = frame.index.isin(list(first))
        self.rejected += [first[int(record)] for record in sorted(frame.index[gone])]
        return frame[~gone]

    def rejects(self, rows: Sequence[RejectedRow]) -> None:
        """Declare rows that were taken out already, and why."""
        self.rejected += rows

    def filtered(self, rows: int) -> None:
        """Declare how many rows a condition has dropped."""
        self.filtered_rows += rows

    def deduplicated(self, rows: int) -> None:
        """Declare how many rows were dropped because another one with their key is kept."""
        self.deduplicated_rows += rows

    def merged(self, rows: int) -> None:
        """Declare how many rows went up in others, as those of a group do."""
        self.merged_rows += rows

    def added(self, rows: int) -> None:
        """Declare how many rows were made beyond those that came in."""
        self.added_rows += rows

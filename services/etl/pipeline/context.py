"""What a handler gets beside the frame. Plain Python; pandas only for the type checker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

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


@dataclass(slots=True)
class Context:
    """The surroundings of one step in one run.

    `state` outlives a batch and belongs to the step alone. Rows that a handler drops must be declared by
    `reject`, `filtered` or `deduplicated`: the run fails when its rows don't add up.
    """

    step: str
    run_id: UUID | None = None
    tenant_id: UUID | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], datetime] = time.now
    state: dict[str, Any] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    filtered_rows: int = 0
    deduplicated_rows: int = 0

    def reject(self, frame: "DataFrame", rows: Sequence[RejectedRow]) -> "DataFrame":
        """Take rows out of the frame, by record number, and tell why. One reason for each row is kept."""
        if not rows:
            return frame
        first = {row.record: row for row in reversed(rows)}
        self.rejected += [first[record] for record in sorted(first)]
        return frame[~frame.index.isin(list(first))]

    def filtered(self, rows: int) -> None:
        """Declare how many rows a condition has dropped."""
        self.filtered_rows += rows

    def deduplicated(self, rows: int) -> None:
        """Declare how many rows were dropped because another one with their key is kept."""
        self.deduplicated_rows += rows

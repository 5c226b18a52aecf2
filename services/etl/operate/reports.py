"""What the commands for operators say of data tables; printed as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.etl.tables.states import State

Outcome = Literal["planned", "repaired", "unconfirmed", "impossible", "failed"]
"""planned: nothing was done, nobody said --yes; unconfirmed: values would go, and --confirm doesn't name it;
impossible: the plan itself says so.
"""


@dataclass(frozen=True, slots=True)
class TableReport:
    """A data table that was published. With a `reason` it couldn't be looked at; `state` is the one known."""

    id: UUID
    tenant: str | None
    resource: str
    table: str
    display_name: str
    state: State
    differences: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether the physical table is what was published; being behind the configuration is no fault."""
        return self.state is not State.GHOST and self.reason is None


@dataclass(frozen=True, slots=True)
class OrphanReport:
    """A table with our mark that belongs to no data table; `exists`: not only the mark is there."""

    tenant: str | None
    resource: str
    table: str
    revision: int
    exists: bool


@dataclass(frozen=True, slots=True)
class FailureReport:
    """A resource that couldn't be searched for orphans."""

    tenant: str | None
    resource: str
    reason: str


@dataclass(frozen=True, slots=True)
class InspectionReport:
    """All that was looked at."""

    tables: Sequence[TableReport]
    orphans: Sequence[OrphanReport]
    failures: Sequence[FailureReport]

    @property
    def is_well(self) -> bool:
        """Whether there is no ghost, no orphan, and nothing that couldn't be looked at."""
        return not self.orphans and not self.failures and all(one.is_well for one in self.tables)


@dataclass(frozen=True, slots=True)
class StatementReport:
    """One statement of a repair."""

    sql: str
    risk: str
    reason: str


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The repair of one data table: its plan, and what became of it.

    `confirm` is what has to be given where values go.
    """

    id: UUID
    tenant: str | None
    resource: str
    table: str
    action: str
    outcome: Outcome
    confirm: str
    destructive: bool = False
    statements: tuple[StatementReport, ...] = ()
    differences: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether it is repaired."""
        return self.outcome == "repaired"

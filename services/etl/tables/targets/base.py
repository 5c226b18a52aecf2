"""The port to the database that holds a data table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.etl.tables.dialects import Check, Finding, Work
from services.etl.tables.physical import Marked, Place, Sight

Ask = Callable[[Sight], Sequence[Check]]
"""Looks at what is there and says what to find out about the rows."""

Decide = Callable[[Sight], Work]
"""Looks at what is there and says what to do. Plain and quick: the target's locks are held meanwhile."""

Told = Callable[[int, int], None]
"""Is told which statement begins, from 1, and of how many."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is there, and what the checks came to."""

    sight: Sight
    findings: tuple[Finding, ...]


class Target(Protocol):
    """One resource, opened with the connection info of this moment."""

    async def examine(self, place: Place, ask: Ask) -> Examined:
        """Look, and run the checks that `ask` wants: one read-only session, of one moment where there is one.

        The table is looked for under the name that its mark says, then under `place.names` in their order.
        Raises SchemaMissing, TargetRefused for checks that take too long, TargetBusy, TargetLost or
        ConnectFailed.
        """

    async def carry_out(self, place: Place, decide: Decide, *, told: Told) -> Sight:
        """Look under a lock, decide, check, run the statements, look again and verify: all or nothing.

        Where DDL commits by itself, or a statement has to be alone, what is left of a failure is a state that
        the next plan goes on from (TargetHalfway). What `decide` and `verify` raise comes out. Raises
        ChecksFailed when a check finds rows, TargetRefused, TargetBusy after some tries at the lock,
        TargetLost, SchemaMissing or ConnectFailed.
        """

    async def marked(self) -> list[Marked]:
        """All tables that have a mark of ours here, in every schema that can be seen."""

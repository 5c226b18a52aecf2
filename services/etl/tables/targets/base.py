"""The port to the database that holds a data table."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from services.etl.tables.definition import Location
from services.etl.tables.dialects import Sql
from services.etl.tables.physical import Sight

Decide = Callable[[Sight], Sequence[Sql]]
"""Looks at what is there and says what to run. Plain and quick: the target's locks are held meanwhile."""


class Target(Protocol):
    """One resource, opened with the connection info of this moment."""

    async def look(self, location: Location, table_id: UUID) -> Sight:
        """What is there now. Raises SchemaMissing, TargetLost or ConnectFailed."""

    async def apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        """Look under a lock, decide, run the statements and look again: one transaction, all or nothing.

        Where DDL commits by itself, what a refused statement leaves is a state that the next plan goes on
        from (TargetHalfway). What `decide` raises ends the transaction and comes out. Raises TargetRefused,
        TargetBusy, TargetLost, SchemaMissing or ConnectFailed besides.
        """

"""A data table as it is configured, and the revisions that its physical table may be at."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.physical import Mark, Place


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that was published, or that a publish has begun with."""

    number: int
    definition: TableDefinition


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data table as it is configured now, with the revisions that its physical table may be at."""

    table_id: UUID
    location: Location
    revision: int
    definition: TableDefinition
    published: Revision | None
    begun: Mapping[int, TableDefinition]
    names: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Where to look for the physical table: `names` are those that it may have still."""
        names = tuple(dict.fromkeys([*self.names, self.location.name]))
        return Place(self.table_id, self.location, names)

    @property
    def mark(self) -> Mark:
        """What a publish of this leaves in the target."""
        return Mark(self.table_id, self.revision, self.definition.fingerprint())

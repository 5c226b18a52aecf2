"""From what is wanted and what is there to the statements that lead from one to the other. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.errors import Fault

from .changes import require_possible
from .definition import Location, TableDefinition, digest
from .dialects import Dialect, Statement
from .drift import against_definition, against_snapshot
from .errors import NameTaken, TableDrifted, TableOccupied
from .physical import Mark, Physical, Sight

Kind = Literal["create", "adopt", "change", "none"]
"""create: there is no table; adopt: an interrupted publish has made it already; none: nothing to do."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that was published, or that a publish has begun with; `snapshot`: what it came to."""

    number: int
    definition: TableDefinition
    snapshot: Physical | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data table as it is configured now, with the revisions that its physical table may be at."""

    table_id: UUID
    location: Location
    revision: int
    definition: TableDefinition
    published: Revision | None
    begun: Mapping[int, TableDefinition]

    @property
    def mark(self) -> Mark:
        """What a publish of this leaves in the target."""
        return Mark(self.table_id, self.revision, self.definition.fingerprint())


@dataclass(frozen=True, slots=True)
class Plan:
    """Statements in order, and a hash over them, the definition and all that was seen of the target."""

    kind: Kind
    statements: tuple[Statement, ...]
    hash: str


def make(wanted: Wanted, sight: Sight, dialect: Dialect) -> Plan:
    """The plan that makes the target what is wanted.

    Raises TableOccupied, TableDrifted, NameTaken, or PublishedTableFixed for a change that isn't possible.
    """
    kind, statements = _steps(wanted, sight, dialect)
    facts = {
        "table": str(wanted.table_id),
        "revision": wanted.revision,
        "fingerprint": wanted.definition.fingerprint(),
        "location": [wanted.location.schema, wanted.location.name],
        "statements": [statement.sql for statement in statements],
        "sight": sight.to_json(),
    }
    return Plan(kind, tuple(statements), digest(facts))


def standing(wanted: Wanted, sight: Sight, dialect: Dialect) -> Revision | None:
    """The revision that the physical table is at, or None when there is no table.

    Raises TableOccupied for a table that isn't ours, TableDrifted for one that isn't as published.
    """
    if sight.physical is None:
        return None
    base = _begun_and_made(wanted, sight, dialect) or _revision_of(wanted, sight)
    if base is None:
        raise TableOccupied(kind=sight.physical.kind, location=str(wanted.location))
    if base.snapshot is not None:
        differences = against_snapshot(sight.physical, base.snapshot)
    else:
        differences = against_definition(sight.physical, base.definition, dialect)
    if differences:
        raise TableDrifted(differences="; ".join(differences))
    return base


def _steps(wanted: Wanted, sight: Sight, dialect: Dialect) -> tuple[Kind, Sequence[Statement]]:
    base = standing(wanted, sight, dialect)
    if base is None:
        _require_free_names(wanted.definition, sight.names)
        return "create", dialect.create(wanted.location, wanted.definition)
    statements = _changes(wanted, base.definition, dialect)
    if statements:
        return "change", statements
    behind = wanted.published is None or wanted.published.number != base.number
    return ("adopt" if behind else "none"), ()


def _require_free_names(definition: TableDefinition, names: frozenset[str]) -> None:
    faults = [
        Fault((kind, place, "name"), NameTaken.code(), f"the target has something named {key.name} already")
        for kind, keys in (("unique_keys", definition.unique_keys), ("indexes", definition.indexes))
        for place, key in enumerate(keys)
        if key.name.lower() in names
    ]
    if faults:
        raise NameTaken(faults=faults)


def _begun_and_made(wanted: Wanted, sight: Sight, dialect: Dialect) -> Revision | None:
    """The revision of a publish that was cut off between its DDL and its mark.

    Where DDL commits by itself, a publish notes first what it is about to do. The note alone proves nothing:
    the table has to be exactly what was to be made, with its comments, as they may be all that changed.
    """
    begun = _known(wanted, sight.begun)
    if begun is None or sight.physical is None:
        return None
    if against_definition(sight.physical, begun.definition, dialect):
        return None
    return begun if sight.physical.has_comments_of(begun.definition) else None


def _revision_of(wanted: Wanted, sight: Sight) -> Revision | None:
    """A publish that was cut off after its commit in the target has left a mark that we know."""
    return _known(wanted, sight.mark) or wanted.published


def _known(wanted: Wanted, mark: Mark | None) -> Revision | None:
    if mark is None or mark.revision not in wanted.begun:
        return None
    begun = wanted.begun[mark.revision]
    return Revision(mark.revision, begun) if begun.fingerprint() == mark.fingerprint else None


def _changes(wanted: Wanted, base: TableDefinition, dialect: Dialect) -> list[Statement]:
    require_possible(base, wanted.definition, dialect)
    return dialect.change(wanted.location, base, wanted.definition)

"""Which revision is a physical table at? Pure."""

from dataclasses import dataclass

from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import Dialect
from services.etl.tables.difference import difference
from services.etl.tables.errors import TableDrifted, TableOccupied
from services.etl.tables.physical import Mark, Physical, Sight
from services.etl.tables.reading import read

from .wanted import Revision, Wanted


@dataclass(frozen=True, slots=True)
class Standing:
    """The revision that a physical table is at; `halfway`: it has left it for another one."""

    revision: Revision
    halfway: bool = False


def stand(wanted: Wanted, sight: Sight, dialect: Dialect, *, over_drift: bool = False) -> Standing | None:
    """The revision that the physical table is at, or None when there is no table.

    Raises TableOccupied for a table that isn't ours, TableDrifted for one that isn't as published.
    """
    physical = sight.physical
    if physical is None:
        return None
    if physical.kind != "table":
        raise TableOccupied(kind=physical.kind, location=str(wanted.location))
    begun, base = known_revision(wanted, sight.begun), revision_of(wanted, sight)
    if begun is not None and difference(begun.definition, _read_as(physical, begun, dialect)).empty:
        return Standing(begun)
    if begun is None and base is None:
        raise TableOccupied(kind=physical.kind, location=str(wanted.location))
    drifted = drift(physical, base, dialect) if base else ["it isn't finished"]
    if base is not None and not drifted:
        return Standing(base)
    if begun is not None or over_drift:
        return Standing(base or begun or Revision(wanted.revision, wanted.definition), halfway=True)
    raise TableDrifted(differences="; ".join(drifted))


def drift(physical: Physical, base: Revision, dialect: Dialect) -> list[str]:
    """How the physical table differs from a revision, in sentences; comments change nothing for a run."""
    return difference(base.definition, _read_as(physical, base, dialect)).material.sentences()


def found(wanted: Wanted, physical: Physical, dialect: Dialect) -> TableDefinition:
    """The physical table as a definition with all its keys, as it would be adopted."""
    known = [wanted.published.definition] if wanted.published else []
    return read(physical, dialect, like=wanted.definition, known=known, everything=True)


def _read_as(physical: Physical, revision: Revision, dialect: Dialect) -> TableDefinition:
    return read(physical, dialect, like=revision.definition)


def revision_of(wanted: Wanted, sight: Sight) -> Revision | None:
    """A publish that was cut off after its commit in the target has left a mark that we know."""
    return known_revision(wanted, sight.mark) or wanted.published


def known_revision(wanted: Wanted, mark: Mark | None) -> Revision | None:
    """The revision of a mark, if a publish of ours has begun with exactly that one."""
    if mark is None or mark.revision not in wanted.begun:
        return None
    begun = wanted.begun[mark.revision]
    return Revision(mark.revision, begun) if begun.fingerprint() == mark.fingerprint else None

"""What a look at the target says about a data table, and where that is written down."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession
from shared.errors import VersionOutdated

from .changing.repository import note_look
from .dialects import Dialect
from .errors import DataTableUnknown, TableDrifted, TableOccupied
from .models import DataTable
from .physical import Sight
from .repository import Revisions, WritableDataTables
from .standing import stand
from .states import Event, advance
from .wanted import Revision, Wanted

Finding = Literal["missing", "drifted", "replaced", "halfway"]
"""missing: there is no table; drifted: it isn't as it was published; replaced: something else has its name;
halfway: a change was cut off and can be finished.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look means: for the state, and in words where something isn't as it should be."""

    event: Event | None
    finding: Finding | None = None
    differences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any] | None:
        """The finding as plain data."""
        return {"kind": self.finding, "differences": list(self.differences)} if self.finding else None


async def wanted_of(session: ReadSession, row: DataTable) -> Wanted:
    """A data table as it is configured, with the revisions that its physical table may be at."""
    revisions = Revisions(session)
    published = await revisions.current(row)
    base = None
    if published is not None and row.published_revision is not None:
        base = Revision(row.published_revision, published)
    return Wanted(
        row.id,
        row.location,
        row.revision,
        row.wanted,
        base,
        await revisions.begun(row),
        await revisions.names(row),
    )


def judged(wanted: Wanted, sight: Sight, dialect: Dialect) -> Verdict:
    """What was seen, by the state machine; a draft learns nothing."""
    if wanted.published is None:
        return Verdict(None)
    try:
        stands = stand(wanted, sight, dialect)
    except TableDrifted as drifted:
        return Verdict(Event.SEEN_DIFFERENT, "drifted", (str(drifted.facts["differences"]),))
    except TableOccupied as occupied:
        kind = occupied.facts["kind"]
        return Verdict(Event.SEEN_DIFFERENT, "replaced", (f"a {kind} has its name",))
    if stands is None:
        return Verdict(Event.SEEN_DIFFERENT, "missing", ("there is no table of its name",))
    if stands.halfway:
        return Verdict(Event.SEEN_DIFFERENT, "halfway", ("a change of it was cut off",))
    base = stands.revision
    same = base.number == wanted.published.number and base.definition == wanted.definition
    as_published = same and sight.name in {None, wanted.location.name}
    return Verdict(Event.SEEN_AS_PUBLISHED if as_published else Event.SEEN_BEHIND)


async def note(database: Database, row: DataTable, verdict: Verdict, moment: datetime) -> None:
    """Write down what a look has shown, unless the data table has changed since or is changing now."""
    if verdict.event is None:
        return
    try:
        async with database.write() as session:
            tables = WritableDataTables(session)
            current = await tables.get(TenantScope(row.tenant_id), row.id)
            if current.version != row.version or current.changing_id is not None:
                return
            await note_look(session, current, verdict.to_json(), moment)
            state = advance(current.standing, verdict.event)
            if state is not current.standing:
                current.state = state.value
                await tables.save(current)
    except (VersionOutdated, DataTableUnknown):
        return

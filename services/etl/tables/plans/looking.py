"""What a look at the target says about a data table, and where that is written down."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.etl.tables.changing.repository import note_look
from services.etl.tables.dialects import Dialect
from services.etl.tables.errors import DataTableUnknown, TableDrifted, TableOccupied
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Sight
from services.etl.tables.repository import Revisions, WritableDataTables, WritableRevisions
from services.etl.tables.states import Event, advance
from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession, WriteSession
from shared.errors import VersionOutdated

from .standing import Standing, stand
from .wanted import Revision, Wanted

GhostKind = Literal["missing", "drifted", "replaced", "halfway"]
"""missing: there is no table; drifted: it isn't as it was published; replaced: something else has its name;
halfway: a change was cut off and can be finished.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look means: for the state, and in words where something isn't as it should be.

    `published`: the revision that the table is at by its mark, with its name, where our own books missed the
    end of that publish.
    """

    event: Event | None
    finding: GhostKind | None = None
    differences: tuple[str, ...] = ()
    published: tuple[int, str] | None = None

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
    """What was seen, by the state machine. A draft learns nothing but that its publish has ended well."""
    try:
        stands = stand(wanted, sight, dialect)
    except TableDrifted as drifted:
        verdict = Verdict(Event.SEEN_DIFFERENT, "drifted", (str(drifted.facts["differences"]),))
    except TableOccupied as occupied:
        kind = occupied.facts["kind"]
        verdict = Verdict(Event.SEEN_DIFFERENT, "replaced", (f"a {kind} has its name",))
    else:
        verdict = _standing(wanted, sight, stands)
    return verdict if wanted.published or verdict.published else Verdict(None)


def _standing(wanted: Wanted, sight: Sight, stands: Standing | None) -> Verdict:
    if stands is None:
        return Verdict(Event.SEEN_DIFFERENT, "missing", ("there is no table of its name",))
    if stands.halfway:
        return Verdict(Event.SEEN_DIFFERENT, "halfway", ("a change of it was cut off",))
    base, name = stands.revision, sight.name or wanted.location.name
    known = wanted.published is not None and wanted.published.number == base.number
    if not known and sight.mark is not None and sight.mark.revision == base.number:
        return Verdict(Event.PUBLISHED, published=(base.number, name))
    same = known and base.definition == wanted.definition and name == wanted.location.name
    return Verdict(Event.SEEN_AS_PUBLISHED if same else Event.SEEN_BEHIND)


async def note(database: Database, row: DataTable, verdict: Verdict, moment: datetime) -> None:
    """Write down what a look has shown, unless the data table has changed since or is changing now."""
    if verdict.event is None:
        return
    try:
        async with database.write() as session:
            tables = WritableDataTables(session)
            current = await tables.get(TenantScope(row.tenant_id), row.id)
            if current.version != row.version or current.is_held(moment):
                return
            await note_look(session, current, verdict.to_json(), moment)
            if verdict.published is not None:
                await end_publish(session, current, *verdict.published, moment=moment)
                await tables.save(current)
                return
            state = advance(current.standing, verdict.event)
            if state is not current.standing:
                current.state = state.value
                await tables.save(current)
    except (VersionOutdated, DataTableUnknown):
        return


async def end_publish(
    session: WriteSession, row: DataTable, revision: int, name: str, *, moment: datetime
) -> None:
    """Write into a row that its physical table is at a revision now, and has this name."""
    row.published_revision, row.published_name = revision, name
    row.last_published_at, row.finding = moment, None
    row.state = advance(row.standing, Event.PUBLISHED).value
    if row.revision != revision:
        row.state = advance(row.standing, Event.EDITED_APART).value
    await WritableRevisions(session).end(row, revision=revision, now=moment)

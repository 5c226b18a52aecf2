"""Who changes a data table: one at a time, and nobody while a run writes it. And what was changed before."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, select, update

from services.etl.tables.errors import DataTableUnknown
from services.etl.tables.models import DataTable, DataTableChange, Turn
from services.etl.tables.states import State
from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert
from shared.db.types import utc_now
from shared.identifiers import DataTableId, ResourceId, TenantId

from .errors import ChangeUnknown, TableIsChanging
from .states import ChangeKind, ChangeState

Now = Callable[[float], ColumnElement[datetime]]
"""The database's clock, moved by some seconds; tests bring their own."""

LEASE_SECONDS: Final = 30.0
"""So long a change holds its table after its process was last heard of."""

_OPEN: Final = (ChangeState.RUNNING, ChangeState.LOST)
"""One that was taken for lost may be heard of again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change is: statements with their risks, once they are known, and the step that has begun."""

    statements: tuple[dict[str, str], ...] = ()
    step: int = 0
    steps: int = 0


class Changes(Repository[DataTableChange]):
    """A tenant's changes, for reading."""

    model = DataTableChange

    async def get(self, scope: TenantScope, table_id: DataTableId, change_id: UUID) -> DataTableChange:
        """One change of a data table. Raises ChangeUnknown."""
        found = await self.find(scope, change_id)
        if found is None or found.table_id != table_id:
            raise ChangeUnknown(change_id=change_id)
        return found

    async def newest(
        self, scope: TenantScope, *, table_id: DataTableId | None = None, limit: int, cursor: str | None
    ) -> Page[DataTableChange]:
        """Changes, of one data table or of all, the newest first."""
        statement = self.of(scope)
        if table_id is not None:
            statement = statement.where(DataTableChange.table_id == table_id)
        return await self.page(statement, limit=limit, cursor=cursor, descending=True)


class Holds:
    """Data tables held by changes, in a unit of work. All times are the database's own."""

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self._session = session
        self._now = now

    async def locked(self, scope: TenantScope, table_id: DataTableId) -> DataTable:
        """The data table, locked for this unit of work. Raises DataTableUnknown."""
        statement = select(DataTable).where(DataTable.tenant_id == scope.tenant_id, DataTable.id == table_id)
        row: DataTable | None = await self._session.one_or_none(
            statement.with_for_update().execution_options(populate_existing=True)
        )
        if row is None:
            raise DataTableUnknown(table_id=table_id)
        return row

    async def require_free(self, row: DataTable) -> None:
        """Raise TableIsChanging while another change holds the locked table; one that was lost doesn't."""
        moment = await self._moment()
        if row.changing_id is None:
            return
        if row.changing_until is not None and row.changing_until > moment:
            raise TableIsChanging(change_id=row.changing_id)
        await self._over(row.changing_id, ChangeState.LOST)

    async def begin(self, row: DataTable, kind: ChangeKind, *, by: UUID | None) -> DataTableChange:
        """Let a new change hold the locked table. Raises TableIsChanging."""
        await self.require_free(row)
        change = DataTableChange(
            tenant_id=row.tenant_id,
            table_id=DataTableId(row.id),
            resource_id=row.resource_id,
            table_name=str(row.location),
            kind=kind.value,
            state=ChangeState.RUNNING.value,
            by=by,
            revision=row.revision,
            started_at=await self._moment(),
        )
        self._session.add(change)
        await self._session.flush()
        await self._hold(row.id, changing_id=change.id, changing_until=self._now(LEASE_SECONDS))
        return change

    async def renew(self, change: DataTableChange, progress: Progress) -> bool:
        """Hold on, and write down how far the change is. False when it doesn't hold its table any more."""
        held = (
            update(DataTable)
            .where(DataTable.id == change.table_id, DataTable.changing_id == change.id)
            .values(changing_until=self._now(LEASE_SECONDS), updated_at=DataTable.updated_at)
            .returning(DataTable.id)
        )
        if await self._session.scalar(held.execution_options(synchronize_session=False)) is None:
            return False
        # It may have been taken for lost while nothing was heard of it.
        running: dict[str, Any] = {"state": ChangeState.RUNNING.value, "finished_at": None}
        await self._write(change.id, **running, **_values(progress))
        return True

    async def leave(self, change: DataTableChange, progress: Progress) -> None:
        """Hold on no longer, and leave it to the next look at the target to say how far the change came."""
        await self._write(change.id, **_values(progress))
        leaving = update(DataTable).where(DataTable.changing_id == change.id)
        await self._session.execute(
            leaving.values(changing_until=self._now(0.0), updated_at=DataTable.updated_at).execution_options(
                synchronize_session=False
            )
        )

    async def held(self, scope: TenantScope, change: DataTableChange) -> DataTable | None:
        """The data table, locked, if the change holds it still."""
        try:
            row = await self.locked(scope, change.table_id)
        except DataTableUnknown:
            return None
        return row if row.changing_id == change.id else None

    async def end(
        self,
        change: DataTableChange,
        state: ChangeState,
        *,
        progress: Progress,
        problem: dict[str, Any] | None = None,
    ) -> None:
        """Write down how a change ended, and let go of its table."""
        await self._over(change.id, state, problem=problem, **_values(progress))
        letting_go = update(DataTable).where(DataTable.changing_id == change.id)
        await self._session.execute(
            letting_go.values(
                changing_id=None, changing_until=None, updated_at=DataTable.updated_at
            ).execution_options(synchronize_session=False)
        )

    async def lose(self) -> Sequence[UUID]:
        """Write down as lost whatever runs without holding its table any more; the ids of the tables."""
        holding = exists().where(
            and_(DataTable.changing_id == DataTableChange.id, DataTable.changing_until > self._now(0.0))
        )
        lost = (
            update(DataTableChange)
            .where(DataTableChange.state == ChangeState.RUNNING.value, ~holding)
            .values(state=ChangeState.LOST.value, finished_at=self._now(0.0))
            .returning(DataTableChange.table_id)
        )
        found = await self._session.scalars(lost.execution_options(synchronize_session=False))
        return found.all()

    async def _hold(self, table_id: UUID, **values: Any) -> None:
        # Not by the row: a version that clients have read stays the current one.
        statement = update(DataTable).where(DataTable.id == table_id)
        await self._session.execute(
            statement.values(updated_at=DataTable.updated_at, **values).execution_options(
                synchronize_session=False
            )
        )

    async def _over(self, change_id: UUID, state: ChangeState, **values: Any) -> None:
        first = [ChangeState.RUNNING] if state is ChangeState.LOST else _OPEN
        await self._write(change_id, first, state=state.value, finished_at=self._now(0.0), **values)

    async def _write(self, change_id: UUID, first: Sequence[ChangeState] = _OPEN, **values: Any) -> None:
        is_open = DataTableChange.state.in_([one.value for one in first])
        statement = update(DataTableChange).where(DataTableChange.id == change_id, is_open)
        await self._session.execute(statement.values(**values).execution_options(synchronize_session=False))

    async def _moment(self) -> datetime:
        moment: datetime = await self._session.scalar(select(self._now(0.0)))
        return moment


async def shared_row(
    session: WriteSession, scope: TenantScope, table_id: DataTableId, now: Now = utc_now
) -> tuple[DataTable, bool]:
    """The data table as whoever writes its rows sees it, and whether a change holds it.

    It stays so until this unit of work ends: a change that begins meanwhile waits for it.
    Raises DataTableUnknown.
    """
    statement = select(DataTable).where(DataTable.tenant_id == scope.tenant_id, DataTable.id == table_id)
    row: DataTable | None = await session.one_or_none(statement.with_for_update(read=True))
    if row is None:
        raise DataTableUnknown(table_id=table_id)
    moment: datetime = await session.scalar(select(now(0.0)))
    return row, row.changing_until is not None and row.changing_until > moment


async def note_look(
    session: WriteSession, row: DataTable, finding: dict[str, Any] | None, moment: datetime
) -> None:
    """Write down what a look at the target has found; the version that clients have read stays current."""
    statement = update(DataTable).where(DataTable.id == row.id)
    seen = statement.values(finding=finding, inspected_at=moment, updated_at=DataTable.updated_at)
    await session.execute(seen.execution_options(synchronize_session=False))


async def created(
    session: ReadSession, *, tenant_id: TenantId | None = None, resource_id: ResourceId | None = None
) -> Sequence[DataTable]:
    """Data tables that have, or had, a physical table: of one tenant or of all, in the order of resources."""
    statement = select(DataTable).where(DataTable.state != State.DRAFT.value)
    if tenant_id is not None:
        statement = statement.where(DataTable.tenant_id == tenant_id)
    if resource_id is not None:
        statement = statement.where(DataTable.resource_id == resource_id)
    rows = await session.scalars(statement.order_by(DataTable.resource_id, DataTable.id))
    return rows.all()


async def by_ids(session: ReadSession, table_ids: Iterable[UUID]) -> Sequence[DataTable]:
    """The data tables with these ids, of any tenant."""
    rows = await session.scalars(select(DataTable).where(DataTable.id.in_(list(table_ids))))
    return rows.all()


async def registered(session: ReadSession, table_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of the ids that any tenant has a data table with."""
    rows = await session.scalars(select(DataTable.id).where(DataTable.id.in_(list(table_ids))))
    return frozenset(rows.all())


async def take_turn(session: WriteSession, name: str, seconds: float, now: Now = utc_now) -> bool:
    """Whether it is time for what is done every `seconds`; of several processes one hears so."""
    insert = upsert(session.dialect, Turn).values(name=name, due_at=now(seconds))
    taken = insert.on_conflict_do_update(
        index_elements=[Turn.name], set_={"due_at": now(seconds)}, where=Turn.due_at <= now(0.0)
    )
    return await session.scalar(taken.returning(Turn.name)) is not None


def _values(progress: Progress) -> dict[str, Any]:
    return {"statements": list(progress.statements), "step": progress.step, "steps": progress.steps}

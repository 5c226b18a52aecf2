"""A change from its beginning to its end: held by a lease, written down, carried out in the target."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from services.etl.tables.dialects import Statement, Work
from services.etl.tables.errors import TargetHalfway, TargetLost
from services.etl.tables.models import DataTable, DataTableChange
from services.etl.tables.physical import Place, Sight
from services.etl.tables.ports import TableUsers
from services.etl.tables.targets.base import Target
from shared.contracts.identity import TenantScope
from shared.db.session import Database, WriteSession
from shared.errors import PenstockError, Terminal, Transient
from shared.identifiers import DataTableId
from shared.observe import logs

from .errors import TableHasRun
from .repository import LEASE_SECONDS, Holds, Progress
from .states import ChangeKind, ChangeState
from .workshop import Workshop

_log = logs.get(__name__)
_RENEW_SECONDS: Final = LEASE_SECONDS / 6
_LOOK_SECONDS: Final = 0.5
_TRIES: Final = 5
_LEAVE_SECONDS: Final = 3.0


class Change(Protocol):
    """What is written down about a change of one data table, before it and after it."""

    @property
    def kind(self) -> ChangeKind:
        """What the change is for."""

    async def begin(self, session: WriteSession, row: DataTable) -> None:
        """Check and write down what has to be so before; the row is locked. Raises to refuse."""

    async def finish(self, session: WriteSession, row: DataTable, sight: Sight | None) -> None:
        """Write down what is so by now; the row is locked, and the target has committed."""


class Inspector(Protocol):
    """Whoever finds out what became of tables whose change ended nobody knows how."""

    async def look_again(self, table_ids: Sequence[UUID]) -> Sequence[object]:
        """Look at them in their targets, and write down what is found."""


@dataclass(frozen=True, slots=True)
class Order:
    """A change and where it is done; without a target it is one of our own books only.

    `decide` is asked under the target's locks, and raises to refuse. `to_the_end`: the caller waits for it.
    """

    change: Change
    target: Target | None = None
    place: Place | None = None
    decide: Callable[[Sight], Work] | None = None
    to_the_end: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """A change that was begun. `over`: it has ended well; else it goes on."""

    change_id: UUID
    over: bool


class Teller:
    """Keeps a change's lease while it is under way, and writes down how far it is."""

    def __init__(self, database: Database, change: DataTableChange) -> None:
        self._database = database
        self._change = change
        self.progress = Progress()

    def decided(self, statements: Sequence[Statement]) -> None:
        """Note what is going to be done."""
        shown = tuple({"sql": str(one.sql), "risk": str(one.risk)} for one in statements if not one.own)
        self.progress = Progress(shown, 0, len(statements))

    def told(self, step: int, steps: int) -> None:
        """Note which statement begins; called in any thread."""
        self.progress = Progress(self.progress.statements, step, steps)

    async def keep(self) -> None:
        """Renew the lease until cancelled, or until it is lost: the target's own locks are left then."""
        loop = asyncio.get_running_loop()
        known, renewed = self.progress, loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.progress == known and loop.time() < renewed + _RENEW_SECONDS:
                continue
            try:
                async with self._database.write() as session:
                    held = await Holds(session).renew(self._change, self.progress)
            except Transient as error:
                _log.warning("change_not_renewed", change_id=str(self._change.id), reason=str(error))
                continue
            if not held:
                _log.warning("change_lease_lost", change_id=str(self._change.id))
                return
            known, renewed = self.progress, loop.time()


class Carrier:
    """Carries out changes of data tables: one at a time for each, and none beside a run that writes it."""

    def __init__(
        self,
        database: Database,
        *,
        users: TableUsers,
        workshop: Workshop,
        inspecting: Inspector,
        patience: float = 20.0,
    ) -> None:
        self._database = database
        self._users = users
        self._workshop = workshop
        self._inspecting = inspecting
        self._patience = patience

    async def carry(
        self, scope: TenantScope, table_id: DataTableId, order: Order, *, by: UUID | None
    ) -> Carried:
        """Carry out a change; after some time it goes on without the caller.

        Raises DataTableUnknown, TableIsChanging, TableHasRun, and what the change and its target raise.
        """
        async with self._database.write() as session:
            holds = Holds(session)
            row = await holds.locked(scope, table_id)
            await holds.require_free(row)
            run_id = await self._users.writing_run(session, scope, table_id)
            if run_id is not None:
                raise TableHasRun(run_id=run_id)
            await order.change.begin(session, row)
            change = await holds.begin(row, order.change.kind, by=by)
        patience = None if order.to_the_end else self._patience
        over = await self._workshop.carry_out(self._done(scope, change, order), patience=patience)
        return Carried(change.id, over is True)

    async def _done(self, scope: TenantScope, change: DataTableChange, order: Order) -> bool:
        teller = Teller(self._database, change)
        try:
            return await self._carried(scope, change, order, teller)
        except asyncio.CancelledError:
            await self._left(change, teller.progress)
            raise

    async def _carried(
        self, scope: TenantScope, change: DataTableChange, order: Order, teller: Teller
    ) -> bool:
        try:
            sight = await self._in_target(order, teller)
        except Exception as error:
            await self._failed(change, teller.progress, error)
            raise
        try:
            await self._persist(lambda session: self._finish(session, scope, change, (order, teller, sight)))
        except Terminal as error:
            await self._failed(change, teller.progress, error, committed=True)
            raise
        _log.info("table_changed", change_id=str(change.id), kind=change.kind, table_id=str(change.table_id))
        return True

    async def _in_target(self, order: Order, teller: Teller) -> Sight | None:
        if order.target is None:
            return None
        place, wish = order.place, order.decide
        assert place is not None
        assert wish is not None

        def decide(sight: Sight) -> Work:
            work = wish(sight)
            teller.decided(work.statements)
            return work

        keeping = asyncio.ensure_future(teller.keep())
        try:
            return await order.target.carry_out(place, decide, told=teller.told)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _finish(
        self,
        session: WriteSession,
        scope: TenantScope,
        change: DataTableChange,
        done: tuple[Order, Teller, Sight | None],
    ) -> None:
        order, teller, sight = done
        holds = Holds(session)
        row = await holds.held(scope, change)
        if row is None:
            # Another change may have come after: what a look at the target shows is what counts then.
            _log.warning("change_ended_without_its_lease", change_id=str(change.id))
            return
        await order.change.finish(session, row, sight)
        await holds.end(change, ChangeState.DONE, progress=teller.progress)

    async def _failed(
        self, change: DataTableChange, progress: Progress, error: Exception, *, committed: bool = False
    ) -> None:
        halfway = (
            committed or not isinstance(error, PenstockError) or isinstance(error, TargetHalfway | TargetLost)
        )
        state = ChangeState.FAILED if halfway else ChangeState.REFUSED
        if not isinstance(error, PenstockError):
            _log.exception("change_crashed", change_id=str(change.id))
        problem = _problem(error)

        async def write(session: WriteSession) -> None:
            await Holds(session).end(change, state, progress=progress, problem=problem)

        await self._persist(write)
        if state is ChangeState.FAILED:
            await self._inspecting.look_again([change.table_id])

    async def _left(self, change: DataTableChange, progress: Progress) -> None:
        """Whoever comes next need not wait for the end of the lease; nobody knows yet what the target did."""
        _log.warning("change_left", change_id=str(change.id), table_id=str(change.table_id))
        try:
            async with asyncio.timeout(_LEAVE_SECONDS), self._database.write() as session:
                await Holds(session).leave(change, progress)
        except (Transient, TimeoutError) as error:
            _log.warning("change_lease_stays", change_id=str(change.id), reason=str(error))

    async def _persist(self, write: Callable[[WriteSession], Awaitable[None]]) -> None:
        """Write down what is so. When our own database stays away, the lease ends and the next look tells."""
        for times in range(1, _TRIES + 1):
            try:
                async with self._database.write() as session:
                    await write(session)
            except Transient as error:
                if times == _TRIES:
                    raise
                _log.warning("change_not_written_yet", reason=str(error))
                await asyncio.sleep(_LOOK_SECONDS * times)
            else:
                return


def _problem(error: Exception) -> dict[str, Any]:
    if not isinstance(error, PenstockError):
        return {"code": "internal_error", "message": "Something went wrong on our side.", "errors": []}
    faults = [
        {"loc": list(fault.loc), "code": fault.code, "message": fault.message} for fault in error.all_faults()
    ]
    return {"code": error.code(), "message": str(error), "errors": faults}

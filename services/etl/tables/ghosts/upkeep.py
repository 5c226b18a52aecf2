"""What looks after data tables without being asked."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.etl.tables.changing.repository import Holds, take_turn
from shared.db.session import Database
from shared.errors import Transient
from shared.observe import logs
from shared.process.waiting import Trouble, until

from .inspecting import Inspecting

_log = logs.get(__name__)
_LOOK_SECONDS: Final = 10.0
_TURN: Final = "inspect data tables"


class TableUpkeep:
    """Finds out what became of changes whose process is gone, and inspects all tables every `minutes`.

    With 0 minutes nothing is inspected by itself. Any number of processes may do so: of each inspection one
    gets the turn.
    """

    def __init__(
        self, database: Database, inspecting: Inspecting, *, minutes: float, seconds: float = _LOOK_SECONDS
    ) -> None:
        self._database = database
        self._inspecting = inspecting
        self._minutes = minutes
        self._seconds = seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set; while the database is away, look again later.

        Looking at all tables may take long, and doesn't keep the other look waiting.
        """
        async with asyncio.TaskGroup() as both:
            for look in (self.look_for_lost, self.inspect_in_turn):
                both.create_task(self._every(look, stop))

    async def look(self) -> None:
        """Look once."""
        await self.look_for_lost()
        await self.inspect_in_turn()

    async def look_for_lost(self) -> None:
        """Write down which changes are lost, and look at their tables."""
        async with self._database.write() as session:
            lost = await Holds(session).lose()
        for one in await self._inspecting.look_again(lost):
            _log.warning("change_lost", table_id=str(one.table_id), finding=one.finding)

    async def inspect_in_turn(self) -> None:
        """Look at all tables if it is time for that, and our turn."""
        if self._minutes and await self._is_our_turn():
            found = await self._inspecting.inspect_everybody()
            for one in found:
                if not one.well:
                    _log.warning("table_not_as_published", table_id=str(one.table_id), finding=one.finding)
            _log.info("tables_inspected", tables=len(found), well=sum(one.well for one in found))

    async def _every(self, look: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
        trouble = Trouble()
        while not stop.is_set():
            try:
                await until(look(), stop)
                trouble.over()
            except Transient as error:
                if trouble.is_news(str(error)):
                    _log.warning("table_upkeep_delayed", reason=str(error))
            await until(asyncio.sleep(self._seconds), stop)

    async def _is_our_turn(self) -> bool:
        async with self._database.write() as session:
            return await take_turn(session, _TURN, self._minutes * 60)

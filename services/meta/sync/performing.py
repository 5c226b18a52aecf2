"""Carry out one attempt: connect, scan, record. Knows neither the queue nor the lease."""

from contextlib import aclosing

from services.meta.catalog.models import CatalogDatabase
from services.meta.clients import SystemClient
from services.meta.datasources.repository import Datasources
from services.meta.recording.service import Recorder
from services.meta.scanners._base import Scanner, Surroundings
from services.meta.scanners._model import SchemaList, TableFilter, TablePattern
from services.meta.sync.attempts import Attempt, AttemptProgress
from services.meta.sync.repository import SyncLogs
from shared.db.session import Database
from shared.engines.errors import ConnectFailed
from shared.plugins.registry import Registry


class Performer:
    """Performs attempts with the scanner that fits the resource.

    Returns nothing: what was found and what failed is in the catalog and the sync log. Raises what
    made the whole attempt fail, `LeaseLost` among it.
    """

    def __init__(
        self,
        database: Database,
        system: SystemClient,
        scanners: Registry[Scanner],
        *,
        surroundings: Surroundings,
    ) -> None:
        self._database = database
        self._system = system
        self._scanners = scanners
        self._surroundings = surroundings

    async def perform(self, attempt: Attempt) -> bool:
        """True when everything could be read, False when something failed and something didn't."""
        async with self._database.read() as session:
            datasource = await Datasources(session).get(attempt.scope, attempt.datasource_id)
        resource = await self._system.connection(
            attempt.scope, datasource.resource_id, subject=attempt.sync_log_id
        )
        scanner = self._scanners.find(resource.connection.type)(resource, self._surroundings)
        progress = AttemptProgress(attempt)
        recorder = Recorder(self._database, attempt.scope, attempt.datasource_id, progress)
        if attempt.sync_level == "database":
            await recorder.put_databases(await scanner.list_databases())
        else:
            await self._scan(scanner, recorder, attempt)
        async with self._database.read() as session:
            log = await SyncLogs(session).get(attempt.scope, attempt.sync_log_id)
            return log.failure_count == 0

    async def _scan(self, scanner: Scanner, recorder: Recorder, attempt: Attempt) -> None:
        databases = await recorder.databases()
        if not databases:
            await recorder.put_databases(await scanner.list_databases())
            databases = await recorder.databases()
        names = attempt.target.get("databases")
        chosen = [each for each in databases if (each.is_accessible if names is None else each.name in names)]
        for name in sorted(set(names or ()).difference(each.name for each in chosen)):
            await recorder.put_failure(name, "there is no such database any more")
        await self._scan_each(scanner, recorder, chosen, wanted=_filter(attempt))

    async def _scan_each(
        self, scanner: Scanner, recorder: Recorder, chosen: list[CatalogDatabase], *, wanted: TableFilter
    ) -> None:
        """One after the other; fails as a whole only when no database could be entered."""
        failure: ConnectFailed | None = None
        entered = 0
        for stored in chosen:
            try:
                await _scan_database(scanner, recorder, stored, wanted=wanted)
                entered += 1
            except ConnectFailed as error:
                failure = error
                await recorder.put_failure(stored.name, str(error))
        if failure is not None and not entered:
            raise failure


async def _scan_database(
    scanner: Scanner, recorder: Recorder, stored: CatalogDatabase, *, wanted: TableFilter
) -> None:
    tables = recorder.tables_of(stored, wanted)
    async with aclosing(scanner.scan(stored.name, wanted)) as found:
        async for part in found:
            if isinstance(part, SchemaList):
                await tables.put_schemas(part)
            else:
                await tables.put_unit(part)
    await tables.close()


def _filter(attempt: Attempt) -> TableFilter:
    def patterns(name: str) -> tuple[TablePattern, ...]:
        return tuple(TablePattern(each["schema"], each["table"]) for each in attempt.target.get(name, ()))

    return TableFilter(patterns("include"), patterns("exclude"))

"""The databases that the resources lead to, as they are at this moment; nothing of it is written down."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.meta.clients import SystemClient
from services.meta.scanners._base import Scanner, Surroundings
from services.meta.scanners._model import DatabaseInfo
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.contracts.resources import Chosen
from shared.errors import PenstockError
from shared.plugins.registry import Registry

_AT_ONCE: Final = 4
_SECONDS: Final = 90.0
_CLOSED: Final = "the user of the resource may not enter it"

State = Literal["reachable", "closed", "failed"]
"""`closed`: the server answers, and doesn't let the resource's user in."""


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """One database; size in bytes, None where it can't be told. The reason is that of not being reachable."""

    name: str
    state: State
    tables: int | None = None
    bytes: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServerReport:
    """One resource with the databases of its server."""

    tenant: str | None
    resource: str
    type: str
    state: State
    reason: str | None = None
    databases: tuple[DatabaseReport, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing failed; a database that is closed to the user is as somebody wants it."""
        return self.state != "failed" and all(each.state != "failed" for each in self.databases)


class Databases:
    """Asks the servers of resources which databases they have, a few servers at a time."""

    def __init__(
        self, system: SystemClient, scanners: Registry[Scanner], *, surroundings: Surroundings
    ) -> None:
        self._system = system
        self._scanners = scanners
        self._surroundings = surroundings
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self, chosen: Chosen) -> Sequence[ServerReport]:
        """A report for each chosen resource. Raises NoSuchTenant, NoSuchResource, or what System answers."""
        resources = chosen.among([each async for each in self._system.resources() if not each.deleted])
        servers = [each for each in resources if each.resource_type in self._scanners]
        return await asyncio.gather(*(self._one(each) for each in servers))

    async def _one(self, resource: ResourceSummary) -> ServerReport:
        try:
            async with self._slots, asyncio.timeout(_SECONDS):
                found = await self._databases(resource)
        except PenstockError as error:
            return _report(resource, "failed", str(error))
        except TimeoutError:
            return _report(resource, "failed", f"it took more than {_SECONDS:g} seconds")
        return _report(resource, "reachable", None, tuple(map(_database, found)))

    async def _databases(self, resource: ResourceSummary) -> list[DatabaseInfo]:
        scope = TenantScope(resource.tenant_id)
        handed = await self._system.connection(scope, resource.resource_id, purpose="test", subject=None)
        return await self._scanners.find(handed.connection.type)(handed, self._surroundings).list_databases()


def _report(
    resource: ResourceSummary,
    state: State,
    reason: str | None,
    databases: tuple[DatabaseReport, ...] = (),
) -> ServerReport:
    name, kind = resource.name, resource.resource_type
    return ServerReport(resource.tenant_slug, name, kind, state, reason=reason, databases=databases)


def _database(found: DatabaseInfo) -> DatabaseReport:
    state, reason = _state(found)
    return DatabaseReport(found.name, state, found.table_count, found.total_size_bytes, reason)


def _state(found: DatabaseInfo) -> tuple[State, str | None]:
    if found.failure is not None:
        return "failed", found.failure
    return ("reachable", None) if found.is_accessible else ("closed", _CLOSED)

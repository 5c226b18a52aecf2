"""Connection tests: the named steps of getting into a database, before and after a resource is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.tenants.repository import Tenants
from shared import clock as clocks
from shared.contracts.connection import ResourceConnection
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.engines import probe
from shared.errors import Unavailable
from shared.identifiers import ResourceId, uuid7
from shared.observe import redaction
from shared.security.guard import OutboundPolicy

from . import connections
from .connections import KEPT, AnyConnection, Parts
from .errors import ResourceUnknown
from .handing import VALID_FOR, Handing
from .repository import Resources
from .schemas import ConnectionReport, ReportStep
from .service import found

MOST_AT_ONCE: Final = 16
"""More tests at a time are refused: each holds a socket for up to its timeout."""


@dataclass(frozen=True)
class Reach:
    """Where tests may lead: the rules for addresses, and the root of the SQLite files, if any."""

    policy: OutboundPolicy
    sqlite_root: Path | None
    seconds: float = 10.0


class ConnectionTests:
    """Tries connections. Finding one that doesn't work is a result, not an error."""

    def __init__(self, database: Database, handing: Handing, reach: Reach) -> None:
        self._database = database
        self._handing = handing
        self._reach = reach
        self._running = 0

    async def unsaved(self, scope: TenantScope, connection: AnyConnection, actor: Actor) -> ConnectionReport:
        """Try a connection that is not saved."""
        connections.take_apart(connection)  # raises TextUnusable before anything is tried
        async with self._database.read() as session:
            tenant = await Tenants(session).of_id(scope.tenant_id)
        if tenant is None:
            raise ResourceUnknown
        target = ResourceConnection(
            resource_id=ResourceId(uuid7()),
            tenant_id=scope.tenant_id,
            tenant_folder=tenant.slug,
            name="(unsaved)",
            version=0,
            connection=connection,
            expires_at=clocks.now() + VALID_FOR,
        )
        return await self._try(target, scope, None, actor)

    async def saved(
        self, scope: TenantScope, resource_id: ResourceId, patch: Mapping[str, Any], actor: Actor
    ) -> ConnectionReport:
        """Try a saved connection with its stored secrets, or as it would be after a change.

        Raises what a change would: ResourceUnknown, ConnectionInvalid, SecretNeeded; and SecretUnreadable.
        """
        async with self._database.read() as session:
            row = await found(Resources(session), scope, resource_id)
            change = connections.change(Parts(row.settings, row.secrets), patch)
            stored = await self._handing.open(session, row)
        kept = connections.take_apart(stored.connection).secrets
        secrets = {
            name: kept.get(name, "") if value == KEPT else value or ""
            for name, value in change.secrets.items()
        }
        connection = connections.put_together(change.settings, secrets)
        return await self._try(
            stored.model_copy(update={"connection": connection}), scope, resource_id, actor
        )

    async def _try(
        self, target: ResourceConnection, scope: TenantScope, resource_id: ResourceId | None, actor: Actor
    ) -> ConnectionReport:
        if self._running >= MOST_AT_ONCE:
            raise Unavailable(what="The connection test (too many at a time)")
        # From here on drivers see the secrets, and what drivers say may reach a log.
        for secret in connections.take_apart(target.connection).secrets.values():
            redaction.redact(secret)
        self._running += 1
        try:
            done = await probe.test(
                target,
                policy=self._reach.policy,
                sqlite_root=self._reach.sqlite_root,
                timeout=self._reach.seconds,
            )
        finally:
            self._running -= 1
        ok = all(step.ok for step in done)
        await self._record(scope, resource_id, actor, {"ok": ok, "type": target.connection.type})
        return ConnectionReport(
            ok=ok, steps=[ReportStep.model_validate(step, from_attributes=True) for step in done]
        )

    async def _record(
        self, scope: TenantScope, resource_id: ResourceId | None, actor: Actor, details: dict[str, Any]
    ) -> None:
        async with self._database.write() as session:
            act = Act("resource.tested", "resource", resource_id, scope.tenant_id, details)
            AuditLog(session).record(actor, act)

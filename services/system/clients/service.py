"""Tokens for services, by client credentials."""

import hmac

from services.system.audit.repository import Act
from services.system.sessions import families, throttle
from services.system.sessions.errors import InvalidClient, InvalidScope
from services.system.sessions.guarding import Guarding
from services.system.sessions.refreshing import Origin
from services.system.sessions.schemas import TokenResponse
from services.system.sessions.tokens import Signer
from shared.db.session import Database

from .models import Client
from .repository import Clients


class ClientTokens:
    """Checks a client's secret and signs its token. The secrets are random, so a fast hash is enough."""

    def __init__(self, database: Database, *, signer: Signer, guarding: Guarding) -> None:
        self._database = database
        self._signer = signer
        self._guarding = guarding

    async def token(self, name: str, secret: str, *, scope: str | None, origin: Origin) -> TokenResponse:
        """A token with the scopes asked for, or all; raises InvalidClient, InvalidScope, Throttled."""
        attempt = throttle.Attempt(f"client/{name}", origin.address)
        await self._guarding.admit(attempt)
        async with self._database.read() as session:
            client = await Clients(session).named(name)
        if client is None or not client.enabled or not _matches(client, secret):
            known = None if client is None else client.id
            act = Act("client.refused", "client", known, None)
            await self._guarding.failed(attempt, origin.actor(None), act)
            raise InvalidClient
        return self._signer.for_client(client, _granted(client, scope))


def _matches(client: Client, secret: str) -> bool:
    return hmac.compare_digest(client.secret_fingerprint, families.fingerprint(secret))


def _granted(client: Client, scope: str | None) -> list[str]:
    wanted = scope.split() if scope is not None else client.scopes
    if not set(wanted) <= set(client.scopes):
        raise InvalidScope(reason="the client does not have all of them")
    return list(wanted)

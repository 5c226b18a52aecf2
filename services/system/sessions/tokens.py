"""What goes into access tokens: a user's by the roles, a service's by its client."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.system.clients.models import Client
from services.system.users.models import User
from shared import clock as clocks
from shared.contracts.scopes import ROLES
from shared.identifiers import TenantId, uuid7
from shared.security import tokens

from .schemas import TokenResponse


@dataclass(frozen=True)
class Signer:
    """Signs access tokens of this installation; `lifetime` is at most ten minutes."""

    key: tokens.SigningKey
    issuer: str = tokens.ISSUER
    lifetime: timedelta = tokens.LIFETIME
    clock: clocks.Clock = clocks.now

    def for_user(self, user: User, *, session_id: UUID, client_id: str, refresh_token: str) -> TokenResponse:
        grant = tokens.Grant(
            subject=user.id,
            kind="user",
            client_id=client_id,
            tenant=None if user.tenant_id is None else TenantId(user.tenant_id),
            scopes=scopes_of(user.roles),
            roles=tuple(user.roles),
            session_id=str(session_id),
            version=user.token_version,
        )
        return self._answer(grant, refresh_token)

    def for_client(self, client: Client, scopes: Iterable[str]) -> TokenResponse:
        grant = tokens.Grant(
            subject=client.id,
            kind="service",
            client_id=client.name,
            tenant=None,
            scopes=tuple(scopes),
            roles=(),
            session_id=str(uuid7()),
        )
        return self._answer(grant, None)

    def _answer(self, grant: tokens.Grant, refresh_token: str | None) -> TokenResponse:
        issued = tokens.issue(
            grant, key=self.key, issuer=self.issuer, lifetime=self.lifetime, now=self.clock()
        )
        return TokenResponse(
            access_token=issued.token,
            expires_in=issued.lifetime,
            refresh_token=refresh_token,
            scope=" ".join(sorted(grant.scopes)),
        )


def scopes_of(roles: Iterable[str]) -> list[str]:
    """The scopes that these roles carry together."""
    return sorted({scope for role in roles for scope in ROLES.get(role, ())})

"""Who is asking: the claims of an access token and what the services make of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.identifiers import TenantId


class Claims(BaseModel):
    """The claims of an access token (RFC 9068), read strictly: no coercion, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    iss: str
    aud: str
    sub: str
    client_id: str
    tenant: str | None = None
    scope: str
    roles: list[str] = Field(default_factory=list)
    sid: str
    ver: int
    iat: int
    exp: int
    jti: str


@dataclass(frozen=True, slots=True)
class TenantScope:
    """The tenant whose rows may be touched. The first parameter of every repository method."""

    tenant_id: TenantId


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: a user of a tenant, the platform administrator, or a service."""

    subject: UUID
    kind: Literal["user", "service"]
    client_id: str
    tenant: TenantScope | None
    scopes: frozenset[str]
    roles: tuple[str, ...]
    session_id: str
    expires_at: datetime

"""Access tokens: EdDSA JWTs of RFC 9068, issued by System and verified by every service itself.

The rules are those of RFC 8725 and its revision: one algorithm, one type, no key from the header,
exact issuer and audience, strict claims, a short life.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import jwt
from pydantic import ValidationError

from shared import clock as clocks
from shared.contracts.identity import Claims, Principal, TenantScope
from shared.errors import Unauthenticated
from shared.identifiers import TenantId, uuid7
from shared.security.keys import ALGORITHM, KeySource, LocalKeys, SigningKey, VerifyingKey, jwks
from shared.security.revocations import Revocations

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "LIFETIME",
    "SERVICE_ROLE",
    "Grant",
    "Issued",
    "KeySource",
    "LocalKeys",
    "SigningKey",
    "TokenInvalid",
    "TokenVerifier",
    "VerifyingKey",
    "issue",
    "jwks",
]

AUDIENCE: Final = "penstock"
ISSUER: Final = "penstock"
LIFETIME: Final = timedelta(minutes=10)
"""The longest life of an access token; a verifier refuses a longer one."""
SERVICE_ROLE: Final = "service"
"""The one role of a service client. No person has it: it tells the two kinds of callers apart."""

_TYPE: Final = "at+jwt"
_SKEW: Final = timedelta(seconds=30)
_MAX_LENGTH: Final = 8_192
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class TokenInvalid(Unauthenticated):
    """The access token is not valid, not ours, expired or revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token says: who calls, for which tenant, and what it allows."""

    subject: UUID
    kind: Literal["user", "service"]
    client_id: str
    tenant: TenantId | None
    scopes: Iterable[str]
    roles: tuple[str, ...]
    session_id: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token. `lifetime` in seconds is `expires_in` of RFC 6749."""

    token: str
    id: UUID
    expires_at: datetime
    lifetime: int


def issue(
    grant: Grant,
    *,
    key: SigningKey,
    issuer: str = ISSUER,
    lifetime: timedelta = LIFETIME,
    now: datetime | None = None,
) -> Issued:
    """Sign an access token. ValueError for a life over LIFETIME or a person with the role of services."""
    if not timedelta(0) < lifetime <= LIFETIME:
        raise ValueError("an access token lives at most ten minutes")
    if grant.kind == "user" and SERVICE_ROLE in grant.roles:
        raise ValueError("only services have the role of a service")
    issued_at = int((now or clocks.now()).timestamp())
    seconds = int(lifetime.total_seconds())
    token_id = uuid7()
    claims = Claims(
        iss=issuer,
        aud=AUDIENCE,
        sub=str(grant.subject),
        client_id=grant.client_id,
        tenant=None if grant.tenant is None else str(grant.tenant),
        scope=" ".join(sorted(grant.scopes)),
        roles=[SERVICE_ROLE] if grant.kind == "service" else list(grant.roles),
        sid=grant.session_id,
        ver=grant.version,
        iat=issued_at,
        exp=issued_at + seconds,
        jti=str(token_id),
    )
    token = jwt.encode(
        claims.model_dump(), key.private, algorithm=ALGORITHM, headers={"typ": _TYPE, "kid": key.kid}
    )
    return Issued(token, token_id, datetime.fromtimestamp(claims.exp, UTC), seconds)


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    kid: str


class TokenVerifier:
    """Turns a token into the caller it names.

    Successes are remembered, at most `remembered` of them; expiry, the key and the session are checked
    again at every use, so that a remembered token is not valid for longer than a fresh one.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str = ISSUER,
        revocations: Revocations | None = None,
        clock: clocks.Clock = clocks.now,
        remembered: int = 4_096,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._revocations = Revocations(clock=clock) if revocations is None else revocations
        self._clock = clock
        self._limit = remembered
        self._verified: dict[bytes, _Verified] = {}

    async def verify(self, token: str) -> Principal:
        """The caller of a valid token. TokenInvalid for every other; Unavailable without any keys."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.pop(digest, None)
        if found is None or self._keys.current(found.kid) is None:
            found = await self._verified_anew(token)
        principal = found.principal
        if not self.accepts(principal):
            raise TokenInvalid
        self._remember(digest, found)
        return principal

    def accepts(self, principal: Principal) -> bool:
        """Whether a caller who was verified before may go on: not expired, the session not revoked."""
        expired = principal.expires_at <= self._clock()
        return not expired and not self._revocations.revoked(principal.session_id)

    def _remember(self, digest: bytes, found: _Verified) -> None:
        # A dictionary keeps its order: what was used last is last, and the first one goes.
        self._verified[digest] = found
        while len(self._verified) > self._limit:
            del self._verified[next(iter(self._verified))]

    async def _verified_anew(self, token: str) -> _Verified:
        if len(token) > _MAX_LENGTH or not _TOKEN.fullmatch(token):
            raise TokenInvalid
        header, payload, signature = token.split(".")
        kid = _kid(_strict_object(header))
        _decoded(signature)
        key = await self._keys.find(kid)
        if key is None:
            raise TokenInvalid
        try:
            jwt.PyJWS().decode_complete(token, key.public, algorithms=[ALGORITHM])
        except jwt.PyJWTError as error:
            raise TokenInvalid from error
        return _Verified(self._principal(_strict_object(payload)), kid)

    def _principal(self, payload: dict[str, Any]) -> Principal:
        try:
            claims = Claims.model_validate(payload)
            self._check(claims)
            return _principal(claims)
        except (ValidationError, ValueError, OverflowError, OSError) as error:
            raise TokenInvalid from error

    def _check(self, claims: Claims) -> None:
        now = self._clock()
        if claims.iss != self._issuer or claims.aud != AUDIENCE:
            raise TokenInvalid
        if not 0 < claims.exp - claims.iat <= LIFETIME.total_seconds():
            raise TokenInvalid
        if claims.iat > (now + _SKEW).timestamp():
            raise TokenInvalid


def _principal(claims: Claims) -> Principal:
    service = SERVICE_ROLE in claims.roles
    tenant = None if claims.tenant is None else TenantScope(TenantId(UUID(claims.tenant)))
    return Principal(
        subject=UUID(claims.sub),
        kind="service" if service else "user",
        client_id=claims.client_id,
        tenant=tenant,
        scopes=frozenset(claims.scope.split()),
        roles=tuple(claims.roles),
        session_id=claims.sid,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
    )


def _kid(header: dict[str, Any]) -> str:
    """The key id of a header that has our three members and no other: no jku, jwk, x5c, crit, zip."""
    kid = header.get("kid")
    if header.keys() != {"alg", "typ", "kid"} or not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise TokenInvalid
    if header["alg"] != ALGORITHM or header["typ"] != _TYPE:
        raise TokenInvalid
    return kid


def _strict_object(segment: str) -> dict[str, Any]:
    """A JSON object in which no name comes twice: two readers would see two different tokens."""
    try:
        found = json.loads(_decoded(segment), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise TokenInvalid from error
    if not isinstance(found, dict):
        raise TokenInvalid
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name comes twice")
    return members


def _decoded(segment: str) -> bytes:
    """The bytes of a segment in its one canonical spelling; padding and stray bits are refused."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise TokenInvalid from error
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != segment:
        raise TokenInvalid
    return raw

"""The token endpoint, revocation, and the public keys."""

import base64
import binascii
import re
from urllib.parse import unquote_plus

from services.system.callers import ServicesOnly, require_service
from services.system.clients.service import ClientTokens
from shared.http.operation import PUBLIC, operation
from shared.http.request import Request
from shared.security.keys import LocalKeys
from shared.security.revocations import RevokedSessions

from .endings import EndedLately
from .errors import InvalidClient, InvalidGrant, InvalidRequest, InvalidScope, UnsupportedGrantType
from .logins import Credentials, Logins
from .refreshing import Origin, Refreshing
from .revoking import Revoking
from .schemas import Jwks, RevokeRequest, TokenRequest, TokenResponse

STATUS_OF = {
    InvalidGrant: 400,
    InvalidClient: 401,
    InvalidRequest: 400,
    InvalidScope: 400,
    UnsupportedGrantType: 400,
}
FIRST_PARTY = ("cli", "console")
"""Clients that may log people in; they have no secret."""

_BASIC = re.compile(r"basic +([A-Za-z0-9+/=]+) *", re.IGNORECASE)


@operation(
    "POST",
    "/oauth/token",
    body=TokenRequest,
    returns=TokenResponse,
    scopes=PUBLIC,
    errors=[InvalidGrant, InvalidClient, InvalidRequest, InvalidScope, UnsupportedGrantType],
    form=True,
)
async def token(request: Request, body: TokenRequest) -> TokenResponse:
    """Get tokens.

    By the grants password (people), refresh_token and client_credentials (services). Wrong passwords make
    the next attempt wait, longer each time: 429 with Retry-After.
    """
    match body.grant_type:
        case "password":
            return await _password(request, body)
        case "refresh_token":
            return await _refresh(request, body)
        case "client_credentials":
            return await _client_credentials(request, body)
    raise UnsupportedGrantType(loc=("body", "grant_type"))


@operation("POST", "/oauth/revoke", body=RevokeRequest, scopes=PUBLIC, status=200, form=True)
async def revoke(request: Request, body: RevokeRequest) -> None:
    """End the session that a token belongs to.

    The answer is the same for a token that is unknown or no longer valid.
    """
    origin = Origin(request.client_address, request.id, FIRST_PARTY[0])
    await request.service(Revoking).revoke(body.token.get_secret_value(), origin)


@operation("GET", "/.well-known/jwks.json", returns=Jwks, scopes=PUBLIC)
async def jwks(request: Request) -> Jwks:
    """The public keys that verify access tokens."""
    return Jwks.model_validate(request.service(LocalKeys).jwks())


@operation(
    "GET",
    "/internal/revocations",
    returns=RevokedSessions,
    scopes=["session:check"],
    tags=["internal"],
    errors=[ServicesOnly],
)
async def revocations(request: Request) -> RevokedSessions:
    """The sessions that ended while their access tokens may still live."""
    require_service(request)
    return await request.service(EndedLately).all()


async def _password(request: Request, body: TokenRequest) -> TokenResponse:
    if body.username is None or body.password is None:
        raise InvalidRequest(loc=("body",), reason="the grant password needs username and password")
    credentials = Credentials(body.username, body.password.get_secret_value(), body.tenant)
    return await request.service(Logins).log_in(credentials, _first_party(request, body))


async def _refresh(request: Request, body: TokenRequest) -> TokenResponse:
    if body.refresh_token is None:
        raise InvalidRequest(loc=("body", "refresh_token"), reason="the refresh_token is missing")
    shown = body.refresh_token.get_secret_value()
    return await request.service(Refreshing).refresh(shown, _first_party(request, body))


async def _client_credentials(request: Request, body: TokenRequest) -> TokenResponse:
    name, secret = _client(request, body)
    origin = Origin(request.client_address, request.id, name)
    return await request.service(ClientTokens).token(name, secret, scope=body.scope, origin=origin)


def _first_party(request: Request, body: TokenRequest) -> Origin:
    if body.scope is not None:
        raise InvalidScope(loc=("body", "scope"), reason="people get the scopes of their roles")
    client_id = body.client_id or FIRST_PARTY[0]
    if client_id not in FIRST_PARTY or body.client_secret is not None:
        raise InvalidClient(loc=("body", "client_id"))
    return Origin(request.client_address, request.id, client_id)


def _client(request: Request, body: TokenRequest) -> tuple[str, str]:
    """Name and secret of the client, from HTTP Basic (RFC 6749, section 2.3.1) or the body, not both."""
    given = request.headers.getall("Authorization", [])
    if not given:
        if body.client_id is None or body.client_secret is None:
            raise InvalidClient(loc=("body", "client_id"))
        return body.client_id, body.client_secret.get_secret_value()
    if len(given) > 1 or body.client_secret is not None:
        raise InvalidRequest(loc=("header", "Authorization"), reason="credentials are given twice")
    return _basic(given[0])


def _basic(header: str) -> tuple[str, str]:
    match = _BASIC.fullmatch(header)
    try:
        decoded = base64.b64decode(match[1], validate=True).decode() if match else ""
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    name, colon, secret = decoded.partition(":")
    if not colon or "\0" in decoded:
        raise InvalidClient(loc=("header", "Authorization"))
    return unquote_plus(name)[:200], unquote_plus(secret)

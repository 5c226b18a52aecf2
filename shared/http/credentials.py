"""A service's own token: got from System by its client credentials, renewed before it ends."""

import asyncio
import base64
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, SecretStr

_RENEW_AT: Final = 0.8
"""The part of its life after which a token is replaced."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The name and secret of a service client. Without `token_url` it is System's below the base URL."""

    client_id: str
    secret: SecretStr
    token_url: str | None = None

    def headers(self) -> dict[str, str]:
        """HTTP Basic as RFC 6749, section 2.3.1, has it: both parts form-encoded first."""
        parts = (self.client_id, self.secret.get_secret_value())
        joined = ":".join(urllib.parse.quote_plus(part) for part in parts)
        return {
            "Authorization": f"Basic {base64.b64encode(joined.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }


class TokenAnswer(BaseModel):
    """What we need of a token endpoint's answer (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: int


class ServiceToken:
    """The current token of a service; asked for once, however many wait for it."""

    def __init__(self, fetch: Callable[[], Awaitable[TokenAnswer]]) -> None:
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    async def get(self) -> str:
        """A token with a good part of its life before it."""
        async with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                asked = time.monotonic()
                answer = await self._fetch()
                self._token = answer.access_token
                self._renew_at = asked + answer.expires_in * _RENEW_AT
            return self._token

    def forget(self, token: str) -> None:
        """This token was refused: the next caller gets a new one."""
        if self._token == token:
            self._token = None

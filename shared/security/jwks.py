"""System's public keys, as the other services know them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from shared.errors import PenstockError, Unavailable
from shared.observe import logs
from shared.security.keys import VerifyingKey, keys_of

PATH: Final = "/.well-known/jwks.json"
_AT_MOST_EVERY: Final = 2.0
_FETCH_SECONDS: Final = 3.0
"""Requests wait for this answer; the keys that are known are better than a long wait."""
T = TypeVar("T")
_log = logs.get(__name__)


class KeysUnknown(Unavailable):
    """The keys of access tokens can't be fetched from {what} right now."""


class Caller(Protocol):
    """What we need of a service client; it needs no credentials for this."""

    async def call(self, method: str, path: str, *, returns: type[T]) -> T: ...


class JwksSource:
    """A key source that fetches the JWKS: at first use, when `refresh` seconds old, at an unknown key id.

    Unknown ids ask System at most every two seconds, whatever tokens come in. While System is down the
    keys that were fetched last stay good.
    """

    def __init__(
        self,
        client: Caller,
        *,
        path: str = PATH,
        refresh: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._path = path
        self._refresh = refresh
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._keys: dict[str, VerifyingKey] = {}
        self._asked: float | None = None

    def current(self, kid: str) -> VerifyingKey | None:
        """The key, as long as the keys are fresh enough to trust that it is still one."""
        return None if self._older_than(self._refresh) else self._keys.get(kid)

    async def find(self, kid: str) -> VerifyingKey | None:
        """The key, fetched when need be. KeysUnknown when there has never been an answer."""
        found = self.current(kid)
        if found is None:
            async with self._lock:
                if self._older_than(self._refresh) or (
                    kid not in self._keys and self._older_than(_AT_MOST_EVERY)
                ):
                    await self._fetch()
            found = self._keys.get(kid)
        if found is None and not self._keys:
            raise KeysUnknown(what="System")
        return found

    async def ready(self) -> None:
        """A readiness check: there are keys."""
        if not self._keys:
            await self.find("")

    def _older_than(self, seconds: float) -> bool:
        return self._asked is None or self._monotonic() - self._asked >= seconds

    async def _fetch(self) -> None:
        self._asked = self._monotonic()
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                answer = await self._client.call("GET", self._path, returns=dict[str, Any])
            self._keys = keys_of(answer)
        except (PenstockError, ValueError, TimeoutError) as error:
            _log.warning("keys_not_fetched", error=type(error).__name__, known=len(self._keys))

"""Password hashes: argon2id in a small pool of threads, off the event loop.

The cost (19 MiB, 2 passes, 1 lane) is the OWASP password storage minimum for argon2id.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared import errors

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
_T = TypeVar("_T")
_HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


class Passwords:
    """Makes and checks password hashes; at most `threads` at a time and `waiting` in line.

    A longer line is refused as Unavailable: a flood of logins must not grow memory or starve the rest.
    """

    def __init__(self, *, threads: int = 2, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._limit = threads + waiting
        self._inside = 0
        self._decoy = _HASHER.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await self._in_pool(partial(_HASHER.hash, password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash it takes the same time and is always wrong."""
        right = await self._in_pool(partial(_verify, password_hash or self._decoy, password))
        return right and password_hash is not None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_pool(self, work: Callable[[], _T]) -> _T:
        if self._inside >= self._limit:
            raise errors.Unavailable(what="The login")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1


def hash_now(password: str) -> str:
    """A hash, in the calling thread: for command lines and tests."""
    return _HASHER.hash(password)


def random_password() -> str:
    """A password of 24 characters with 144 random bits."""
    return secrets.token_urlsafe(18)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False

"""What one hearer of an exchange gets, whichever bus it comes from."""

import asyncio
from collections import deque
from typing import Final, Self

from shared.bus.port import SubscriptionLost

LIMIT: Final = 10_000
"""How many bodies wait for a hearer that doesn't keep up; then the oldest are dropped."""


class Heard:
    """Bodies in their order; ends with `SubscriptionLost`."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._waiting: deque[bytes] = deque(maxlen=LIMIT)
        self._changed = asyncio.Event()
        self._lost: str | None = None

    def put(self, body: bytes) -> None:
        self._waiting.append(body)
        self._changed.set()

    def lose(self, reason: str) -> None:
        """It has ended, for the reason that was given first."""
        self._lost = self._lost or reason
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._lost is not None:
                raise SubscriptionLost(queue=self._exchange, reason=self._lost)
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

"""A COPY that ends when its connection does, and whose rows can be traced to their records."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

import asyncpg

_GRACE_SECONDS: Final = 1.0
"""How long the driver may take to say by itself why the connection was lost."""

_KEPT_BATCHES: Final = 64
"""Far more than lie between the encoder and the server, whose errors come a moment after the rows."""


class SentRows:
    """Which records the newest rows came from that were sent."""

    def __init__(self) -> None:
        self._rows = 0
        self._kept: deque[tuple[int, Any]] = deque(maxlen=_KEPT_BATCHES)

    def add(self, rows: int, records: Any) -> None:
        """Some more rows, with the numbers of their records (NumPy int64) where those are known."""
        if records is not None:
            self._kept.append((self._rows, records))
        self._rows += rows

    def record(self, row: int) -> int | None:
        """The record of a row, counted from 1 over all that was sent; None when that isn't known any more."""
        for first, records in list(self._kept):
            if first < row <= first + len(records):
                return int(records[row - first - 1])
        return None


async def ended_with(connection: Any, copying: Coroutine[Any, Any, str]) -> str:
    """The status of a COPY on this connection; raises what the driver raises.

    asyncpg (0.32, `Protocol.copy_in`) waits for room in its send buffer without noticing that the
    connection was lost, and would wait for ever: so the loss is waited for here.
    """
    lost, task = asyncio.Event(), asyncio.ensure_future(copying)

    def on_lost(_: Any) -> None:
        lost.set()

    connection.add_termination_listener(on_lost)
    losing = asyncio.ensure_future(lost.wait())
    try:
        await asyncio.wait((task, losing), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait((task,), timeout=_GRACE_SECONDS)
        if not task.done():
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost while rows were sent")
        return await task
    finally:
        for one in (task, losing):
            one.cancel()
        await asyncio.gather(task, losing, return_exceptions=True)
        connection.remove_termination_listener(on_lost)

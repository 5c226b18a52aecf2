"""A COPY that ends when its connection does."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import asyncpg

_GRACE_SECONDS: Final = 1.0
"""How long the driver may take to say by itself why the connection was lost."""


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

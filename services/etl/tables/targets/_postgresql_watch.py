"""A PostgreSQL that says nothing more and doesn't hang up: it is frozen, or the way to it is cut."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")
_CANCEL_SECONDS: Final = 3.0


@contextmanager
def answering(connection: Any, *, within: float) -> Iterator[None]:
    """End the connection when one statement has no answer within so many seconds.

    Cancelling alone would not do: after it the driver rolls back, and waits for an answer to that.
    """
    loop = asyncio.get_running_loop()
    watch = loop.call_later(within, connection.terminate)
    over = False

    def heard(_: Any) -> None:  # a turn of the loop after the answer
        nonlocal watch
        watch.cancel()
        if not over:
            watch = loop.call_later(within, connection.terminate)

    connection.add_query_logger(heard)
    try:
        yield
    finally:
        over = True
        connection.remove_query_logger(heard)
        watch.cancel()


async def let_go(connection: Any, work: Coroutine[Any, Any, T]) -> T:
    """The result of work with the connection, which ends soon after whoever waits here is cancelled."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait({working}, timeout=_CANCEL_SECONDS)
        connection.terminate()
        await asyncio.gather(working, return_exceptions=True)
        raise

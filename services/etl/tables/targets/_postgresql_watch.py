"""A PostgreSQL that says nothing more and doesn't hang up: it is frozen, or the way to it is cut."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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

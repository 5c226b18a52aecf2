"""A process: begin, wait for a signal, end in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from shared.errors import PenstockError
from shared.observe import logs

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = logs.get(__name__)


def run(build: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    """Enter what `build` makes, wait for SIGINT or SIGTERM, and leave it again.

    The first signal asks for the end, also while the start is under way; a second one has its ordinary
    force. An error of ours at the start is one line and exit status 1. The PG* variables of libpq are
    taken out of the environment first: no connection may get its address or password from there.
    """
    strip_environment()
    try:
        asyncio.run(_live(build))
    except PenstockError as error:
        _log.error("start_failed", code=error.code(), reason=str(error))
        sys.exit(1)


def strip_environment() -> None:
    """Remove the variables through which libpq and asyncpg take connection settings."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


async def _live(build: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    loop = asyncio.get_running_loop()
    asked, started = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with build():
            started.set()
            await asked.wait()

    living = asyncio.create_task(live())

    def ask(asking: signal.Signals) -> None:
        _log.info("stopping", signal=asking.name)
        asked.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        if not started.is_set():
            living.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask, number)
    try:
        await living
    except asyncio.CancelledError:
        if not asked.is_set() or started.is_set():
            raise
    _log.info("stopped")

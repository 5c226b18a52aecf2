"""A process: begin, wait for a signal, end in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from shared.errors import PenstockError
from shared.observe import logs

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = logs.get(__name__)


def run(build: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    """Enter what `build` makes, wait for SIGINT or SIGTERM, and leave it again.

    The first signal asks for the end, also while the start is under way; a second one has its ordinary
    force. An error of ours at the start is one line and exit status 1. The PG* variables of libpq are
    taken out of the environment first: no connection may get its address or password from there.
    """
    _run(lambda: _live(build))


def run_once(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do a piece of work that ends by itself; a signal ends it at once, with exit status 1. Else as `run`."""
    if not _run(lambda: _done(work())):
        sys.exit(1)


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    strip_environment()
    try:
        return asyncio.run(work())
    except PenstockError as error:
        _log.error("start_failed", code=error.code(), reason=str(error))
        sys.exit(1)


def strip_environment() -> None:
    """Remove the variables through which libpq and asyncpg take connection settings."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


async def _done(work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work came to its end."""
    working = asyncio.ensure_future(work)
    asked = _asked_to_end(working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        if not asked.is_set():
            raise
        return False
    return True


async def _live(build: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    started = asyncio.Event()

    async def live() -> None:
        async with build():
            started.set()
            await asked.wait()

    def interrupt() -> None:
        if not started.is_set():
            living.cancel()

    living = asyncio.create_task(live())
    asked = _asked_to_end(interrupt)
    try:
        await living
    except asyncio.CancelledError:
        if not asked.is_set() or started.is_set():
            raise
    _log.info("stopped")


def _asked_to_end(then: Callable[[], object]) -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM, which calls `then`; a second one has its ordinary force."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def ask(asking: signal.Signals) -> None:
        _log.info("stopping", signal=asking.name)
        asked.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        then()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask, number)
    return asked

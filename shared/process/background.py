"""Backgrounds: loops that live as long as their service, owned by a supervisor."""

import asyncio
from types import TracebackType
from typing import Protocol, Self

from shared.errors import Transient
from shared.observe import logs
from shared.process.waiting import Backoff, Trouble, ours, until

_log = logs.get(__name__)
_STEADY_SECONDS = 60.0


class Background(Protocol):
    """A loop that runs until `stop` is set, and returns soon after that."""

    async def run(self, stop: asyncio.Event) -> None: ...


class Supervisor:
    """Runs backgrounds while its `async with` block is open.

    One that crashes is logged and started again after a growing pause; one that returns is finished. At
    the end all are asked to stop; whoever hasn't within `patience` seconds is cancelled, and whoever
    doesn't heed that within as long again is logged and left.
    """

    def __init__(
        self, *backgrounds: Background, patience: float = 10.0, backoff: Backoff | None = None
    ) -> None:
        self._backgrounds = backgrounds
        self._patience = patience
        self._backoff = backoff or Backoff(first=0.2, longest=30.0)
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for background in self._backgrounds:
            self._tasks.add(asyncio.create_task(self._keep(background), name=_name(background)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop all backgrounds, within twice the patience."""
        self._stop.set()
        try:
            await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()
        await self._wait()
        for task in self._tasks:
            if not task.done():
                _log.error("background_stuck", background=task.get_name())

    async def _wait(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience)

    async def _keep(self, background: Background) -> None:
        loop = asyncio.get_running_loop()
        failures, trouble = 0, Trouble()
        while not self._stop.is_set():
            began = loop.time()
            if await self._run_once(background, trouble):
                return
            failures = 1 if loop.time() - began > _STEADY_SECONDS else failures + 1
            await until(asyncio.sleep(self._backoff.seconds(failures)), self._stop)

    async def _run_once(self, background: Background, trouble: Trouble) -> bool:
        try:
            await background.run(self._stop)
        except asyncio.CancelledError as error:
            if ours(error):
                raise
            _log.warning("background_cancelled_itself", background=_name(background))
        except Transient as error:
            if trouble.is_news(str(error)):
                _log.warning("background_delayed", background=_name(background), reason=str(error))
        except Exception:  # noqa: BLE001 - whatever it was, the others live on
            _log.exception("background_crashed", background=_name(background))
        else:
            return True
        return False


def _name(background: Background) -> str:
    return type(background).__name__

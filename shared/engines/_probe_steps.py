"""The steps of a connection test, each timed."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.engines.errors import ConnectFailed, ConnectRefused, Step


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of a connection test: `duration_ms` in milliseconds, `hint` only where there is advice."""

    name: Step
    ok: bool
    duration_ms: float
    detail: str = ""
    hint: str = ""


@dataclass
class Steps:
    done: list[ProbeStep] = field(default_factory=list)

    @contextmanager
    def step(self, name: Step) -> Iterator[list[str]]:
        """Time one step; the list takes its detail. A failure is written down and raised on."""
        detail: list[str] = []
        started = time.perf_counter()
        try:
            yield detail
        except ConnectFailed as error:
            self.done.append(failed(error, started))
            raise
        self.done.append(ProbeStep(name, ok=True, duration_ms=since(started), detail=" ".join(detail)))


async def bounded(awaitable: Any, step: Step, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise ConnectRefused(
            step=step,
            reason=f"no answer within {seconds:g} seconds",
            hint="Check the host, the port and firewalls between here and there.",
        ) from None


def failed(error: ConnectFailed, started: float) -> ProbeStep:
    return ProbeStep(error.step, ok=False, duration_ms=since(started), detail=error.reason, hint=error.hint)


def since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)

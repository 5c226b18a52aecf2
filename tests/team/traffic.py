"""Requests and runs that go on while a test does something else."""

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.process import ETL, META, SYSTEM, Answer, Caller
from tests.acceptance.workshop import TERMINAL

PATHS = {"system": f"{SYSTEM}/me", "meta": f"{META}/datasources", "etl": f"{ETL}/tasks"}
PAUSE_SECONDS = 0.1
BETWEEN_RUNS_SECONDS = 0.5
SERVER_ERRORS = 500
NO_ANSWER = 0


@dataclass(frozen=True)
class Failure:
    """A request that a service did not answer as it should, and from when to when it was under way."""

    service: str
    status: int
    began: float
    ended: float


@dataclass
class Traffic:
    """A caller who asks every service and starts runs, again and again, and what became of that."""

    caller: Caller
    stop: threading.Event = field(default_factory=threading.Event)
    answered: int = 0
    failures: list[Failure] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def ask(self, service: str) -> None:
        """Ask one service until the stop."""
        while not self.stop.wait(PAUSE_SECONDS):
            self._noted(service, "GET", PATHS[service])

    def run(self, task: str) -> None:
        """Start one run of a task after the other, and see each to its end, until the stop."""
        while not self.stop.wait(BETWEEN_RUNS_SECONDS):
            run = self._start(task)
            self.runs.append(run)
            while not self._is_over(run) and not self.stop.wait(PAUSE_SECONDS):
                pass

    def _start(self, task: str) -> str:
        """A POST without a good answer is sent again under its key: it is one run, however often."""
        key = uuid.uuid4().hex
        while True:
            answer = self._noted("etl", "POST", f"{ETL}/tasks/{task}/runs", {}, Idempotency_Key=key)
            if answer is not None:
                assert answer.status == 202, answer
                return str(answer.json["id"])
            assert not self.stop.wait(PAUSE_SECONDS), "nobody took the last run"

    def _is_over(self, run: str) -> bool:
        answer = self._noted("etl", "GET", f"{ETL}/runs/{run}")
        return answer is not None and answer.json["state"] in TERMINAL

    def _noted(self, service: str, method: str, path: str, body: Any = None, **headers: str) -> Answer | None:
        """The answer, if it is one of the service; else a failure is written down."""
        began = time.monotonic()
        try:
            answer = self.caller.call(method, path, body, **headers)
        except OSError:
            answer = None
        if answer is not None and answer.status < SERVER_ERRORS:
            self.answered += 1
            return answer
        status = answer.status if answer else NO_ANSWER
        self.failures.append(Failure(service, status, began, time.monotonic()))
        return None


@contextmanager
def going_on(caller: Caller, tasks: Sequence[str]) -> Iterator[Traffic]:
    """Traffic until the end of the block; what went wrong in it is raised there."""
    traffic = Traffic(caller)
    with ThreadPoolExecutor(len(PATHS) + len(tasks)) as threads:
        working = [threads.submit(traffic.ask, service) for service in PATHS]
        working += [threads.submit(traffic.run, task) for task in tasks]
        try:
            yield traffic
        finally:
            traffic.stop.set()
    for one in working:
        one.result()

"""Embedded mode as a real process, and a plain HTTP client for it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from deploy.supervisor import instance

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
START_SECONDS = 30.0
STOP_SECONDS = 20.0
_RENEW_SECONDS = 300.0
TOKEN = "/api/system/v1/oauth/token"
SYSTEM, META, ETL = "/api/system/v1", "/api/meta/v1", "/api/etl/v1"


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers.get("Content-Type", "").startswith("application/problem+json"), self
        return str(self.json["code"])

    @property
    def places(self) -> list[list[str | int]]:
        return [fault["loc"] for fault in self.json["errors"]]


@dataclass
class Caller:
    """One caller: with a token or without. Who has logged in does so again before the token is too old."""

    netloc: str
    token: str | None = None
    timeout: float = 30.0
    again: Callable[[], str] | None = field(default=None, repr=False)
    since: float = field(default_factory=time.monotonic)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request with exactly this body and these headers, on a connection of its own."""
        if self.again is not None and time.monotonic() > self.since + _RENEW_SECONDS:
            self.token, self.since = self.again(), time.monotonic()
        connection = http.client.HTTPConnection(self.netloc, timeout=self.timeout)
        sent = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request with a JSON body; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            return self.send(method, path, None, sent)
        return self.send(
            method, path, json.dumps(body).encode(), {"Content-Type": "application/json", **sent}
        )

    def get(self, path: str) -> Any:
        """The JSON of a successful GET."""
        return self._expect(self.call("GET", path))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of a successful POST."""
        return self._expect(self.call("POST", path, body, **headers))

    def items(self, path: str) -> list[dict[str, Any]]:
        """The first page of a list."""
        found: list[dict[str, Any]] = self.get(path)["items"]
        return found

    @staticmethod
    def _expect(answer: Answer) -> Any:
        assert answer.status < 300, (answer.status, answer.body)
        return answer.json if answer.body else None


def log_in(netloc: str, user: str, password: str, tenant: str | None = None) -> Caller:
    """A caller with the token of a person."""
    form = {"grant_type": "password", "username": user, "password": password}
    form |= {"tenant": tenant} if tenant else {}

    def token() -> str:
        answer = Caller(netloc).send(
            "POST",
            TOKEN,
            urllib.parse.urlencode(form).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status == 200, answer
        return str(answer.json["access_token"])

    return Caller(netloc, token(), again=token)


@dataclass
class Penstock:
    """A running embedded process."""

    process: "subprocess.Popen[bytes]"
    var: Path
    url: str
    seconds_to_ready: float
    log: Path

    @property
    def netloc(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc

    @property
    def anonymous(self) -> Caller:
        return Caller(self.netloc)

    def login(self, user: str, password: str, tenant: str | None) -> Caller:
        return log_in(self.netloc, user, password, tenant)

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def environment(var: Path, **settings: str) -> dict[str, str]:
    """Only what is given: nothing of the caller's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PG"))}
    return {**kept, "PENSTOCK_VAR": str(var), "PENSTOCK_PORT": "0", **settings}


@contextmanager
def running(var: Path, **settings: str) -> Iterator[Penstock]:
    """Embedded mode on a free port, ready; ended with the block."""
    var.parent.mkdir(parents=True, exist_ok=True)
    log = var.parent / f"{var.name}.log"
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services"],
            cwd=ROOT,
            env=environment(var, **settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        url = _url_when_ready(process, var, log)
        yield Penstock(process, var, url, time.monotonic() - began, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(found: Callable[[], T | None], *, seconds: float = 30.0, what: str = "it") -> T:
    """The first result that is true; an AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


def _url_when_ready(process: "subprocess.Popen[bytes]", var: Path, log: Path) -> str:
    def url() -> str | None:
        assert process.poll() is None, log.read_text()[-3000:]
        found = instance.find(var / "penstock.lock")
        if found is None or found.pid != process.pid or found.url is None:
            return None
        return found.url if _ready(found.url) else None

    return wait_for(url, seconds=START_SECONDS, what="readiness")


def _ready(url: str) -> bool:
    try:
        return Caller(urllib.parse.urlsplit(url).netloc, timeout=5).call("GET", "/health/ready").status == 200
    except OSError:
        return False

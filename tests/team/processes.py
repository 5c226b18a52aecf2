"""The team as real processes on free ports, given what compose gives them: secrets in files, no folder."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from services.system.secrets import keyring
from shared.security.keys import SigningKey
from tests.acceptance.process import ROOT, STOP_SECONDS, Answer, Caller, wait_for
from tests.servers.postgres import Dsn
from tests.servers.private import free_port

START_SECONDS: Final = 60.0
DATABASES: Final = ("system", "meta", "etl")
_PLAIN: Final = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass
class Process:
    """One process of the team, which keeps its address when it is started again."""

    name: str
    module: str
    environment: Mapping[str, str]
    log: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, and don't wait for anything."""
        place = {"PENSTOCK_HOST": self.host, "PENSTOCK_PORT": str(self.port)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT,
                env={**_PLAIN, **self.environment, **place},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def ask(self, path: str) -> Answer | None:
        """The answer to a GET; None while nobody listens. A process that has ended fails the test."""
        assert self.process is not None
        assert self.process.poll() is None, self.printed()
        try:
            return Caller(self.netloc, timeout=5).call("GET", path)
        except OSError:
            return None

    def is_ready(self) -> bool:
        answer = self.ask("/health/ready")
        return answer is not None and answer.status == 200

    def opened(self) -> None:
        """Wait until it is ready."""
        wait_for(self.is_ready, seconds=START_SECONDS, what=f"{self.name} that is ready")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL to it alone: its children end by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """Stop it and its children in the middle of whatever they do, as a machine that is paused."""
        for one in self._family():
            one.suspend()

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        for one in self._family():
            one.resume()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it has logged, or those of one name."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in found if name is None or one["event"] == name]

    def printed(self) -> str:
        """The end of its log."""
        return f"{self.name}: {self.log.read_text()[-3000:]}"

    def _family(self) -> list[psutil.Process]:
        one = psutil.Process(self.pid)
        return [one, *one.children(recursive=True)]


@dataclass(frozen=True)
class Team:
    """Three services and two runners; `gateway` is the address of what stands before them."""

    system: Process
    meta: Process
    etl: Process
    runners: tuple[Process, ...]
    admin_password: str
    folder: Path

    @property
    def services(self) -> tuple[Process, ...]:
        return self.system, self.meta, self.etl

    @property
    def everybody(self) -> tuple[Process, ...]:
        return (*self.services, *self.runners)

    def opened(self) -> None:
        """Wait until everybody is ready."""
        for one in self.everybody:
            one.opened()


def planned(folder: Path, database: Mapping[str, Dsn], broker: str) -> Team:
    """The team that would run on these databases and this broker; nothing is started yet."""
    given = _Files(folder / "secrets")
    admin_password = secrets.token_urlsafe(12)
    system_port, meta_port = free_port(), free_port()
    urls = {name: given.of(f"{name}_database_url", one.url) for name, one in database.items()}
    meta = {**urls["meta"], **given.of("meta_client_secret", secrets.token_urlsafe(32))}
    etl = {**urls["etl"], **given.of("etl_client_secret", secrets.token_urlsafe(32))}
    etl |= {
        "PENSTOCK_FILES_ROOT": str(folder / "files"),
        "PENSTOCK_META_URL": f"http://127.0.0.1:{meta_port}",
    }
    system = {
        **urls["system"],
        **given.of("master_keys", keyring.generate()),
        **given.of("signing_key", SigningKey.generate().to_pem()),
        **given.of("admin_password", admin_password),
        **{name: value for name, value in {**etl, **meta}.items() if "CLIENT_SECRET" in name},
    }
    everybody = {
        **given.of("bus_url", broker),
        "PENSTOCK_SYSTEM_URL": f"http://127.0.0.1:{system_port}",
        "PENSTOCK_MIGRATE": "false",
        "PENSTOCK_TRUSTED_PROXIES": "127.0.0.0/8",
        "PENSTOCK_OUTBOUND_ALLOW_LOOPBACK": "true",
        "PENSTOCK_VAR": str(folder / "var"),
    }

    def process(name: str, module: str, own: Mapping[str, str], **place: Any) -> Process:
        return Process(name, module, {**everybody, **own}, folder / f"{name}.log", **place)

    return Team(
        process("system", "services.system", system, port=system_port),
        process("meta", "services.meta", meta, port=meta_port),
        process("etl", "services.etl", {**etl, "PENSTOCK_RUNNER": "false"}),
        tuple(process(f"runner-{number}", "services.etl.runner", etl) for number in (1, 2)),
        admin_password,
        folder,
    )


def databases(port: int) -> dict[str, Dsn]:
    """Where each service's database will be: a role of its own for each."""
    return {name: Dsn("127.0.0.1", port, name, secrets.token_hex(16), name) for name in DATABASES}


def statements(owned: Mapping[str, Dsn]) -> Iterator[str]:
    """What makes the roles and databases."""
    for one in owned.values():
        yield f"CREATE ROLE {one.user} LOGIN PASSWORD '{one.password}'"
        yield f"CREATE DATABASE {one.database} OWNER {one.user}"
        yield f"REVOKE CONNECT ON DATABASE {one.database} FROM PUBLIC"


@contextmanager
def started(team: Team) -> Iterator[Team]:
    """All processes of the team, started in any order; ended with the block."""
    try:
        for one in random.sample(team.everybody, len(team.everybody)):
            one.start()
        yield team
    finally:
        running = [one for one in team.everybody if one.process is not None and one.process.poll() is None]
        for one in running:
            one.thaw()
            os.kill(one.pid, signal.SIGTERM)
        for one in running:
            _ended(one)


def migrate(team: Team) -> "subprocess.Popen[bytes]":
    """The one-shot that brings all three databases to the newest schema."""
    urls = {
        name: value
        for one in team.services
        for name, value in one.environment.items()
        if "DATABASE_URL" in name
    }
    with (team.folder / "migrate.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "services.migrate"],
            cwd=ROOT,
            env={**_PLAIN, **urls},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _ended(one: Process) -> None:
    try:
        one.stop()
    except subprocess.TimeoutExpired:
        one.kill()


@dataclass(frozen=True)
class _Files:
    """Secrets in files that only their owner may read."""

    folder: Path

    def of(self, setting: str, value: str) -> dict[str, str]:
        """The variable that names the file with this value."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        file = self.folder / setting
        file.touch(mode=0o600)
        file.write_text(f"{value}\n")
        return {f"PENSTOCK_{setting.upper()}_FILE": str(file)}

"""manage.py with a team: its processes against servers that somebody else operates."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance import process
from tests.acceptance.process import ROOT, SYSTEM, log_in, wait_for
from tests.acceptance.workshop import first_password
from tests.servers import postgres, rabbitmq
from tests.servers.private import free_port

PROCESSES = ["system", "meta", "etl", "runner-1"]


@dataclass(frozen=True)
class Manage:
    """manage.py with the settings of one team."""

    var: Path
    settings: dict[str, str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=self.var.parent,
            env=process.environment(self.var, **self.settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What the command prints on standard output; its exit code is asserted."""
        done = self.run(*arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    def status(self, *, code: int = 0) -> dict[str, dict[str, object]]:
        """The processes by name."""
        seen = json.loads(self("status", "-o", "json", code=code))
        return {str(one["process"]): one for one in seen}


@pytest.fixture
async def databases(postgres_server: postgres.Dsn) -> list[postgres.Dsn]:
    return [await postgres_server.create_database() for _ in range(3)]


@pytest.fixture
def manage(
    tmp_path: Path, databases: list[postgres.Dsn], rabbitmq_vhost: rabbitmq.Broker
) -> Iterator[Manage]:
    settings = {
        f"PENSTOCK_{name}_DATABASE_URL": dsn.url
        for name, dsn in zip(("SYSTEM", "META", "ETL"), databases, strict=True)
    }
    settings |= {f"PENSTOCK_{name}_PORT": str(free_port()) for name in ("SYSTEM", "META", "ETL", "RUNNER")}
    settings |= {"PENSTOCK_BUS_URL": rabbitmq_vhost.url}
    command = Manage(tmp_path / "var", settings)
    yield command
    command("stop")


def test_a_team_is_operated_from_start_to_stop(manage: Manage) -> None:
    assert list(manage.status(code=3)) == PROCESSES
    manage("migrate")
    said = manage("start")
    assert all(f"{name} is ready" in said for name in PROCESSES)
    assert "first-passwords.txt" in said
    before = manage.status()
    assert {one["state"] for one in before.values()} == {"ready"}
    findings = {one["check"]: one["verdict"] for one in json.loads(manage("doctor", "-o", "json"))}
    assert {findings[name] for name in (*PROCESSES, "bus", "etl database")} == {"ok"}
    assert "stop it before" in manage.run("migrate").stderr
    os.kill(int(str(before["runner-1"]["pid"])), signal.SIGKILL)
    wait_for(lambda: manage.status(code=1)["runner-1"]["state"] == "stopped", what="the runner's end")
    assert "runner-1        not running, while others are" in manage("doctor", code=1)
    assert "runner-1 is ready" in manage("start")
    assert '"event":"opened"' in manage("logs", "runner-1", "-n", "200")
    assert "Name one of system, meta" in manage.run("logs").stderr
    logs_in(manage, first_password(manage.var, "admin"))
    logs_in(manage, manage("reset-password", "admin").split()[-1])
    assert manage("check-dbs") == "There are no resources.\n"
    assert manage("inspect-tables") == "There are no data tables.\n"
    assert manage("restart").count("is ready") == len(PROCESSES)
    after = manage.status()
    assert not {one["pid"] for one in before.values()} & {one["pid"] for one in after.values()}
    assert manage("stop").count("has stopped") == len(PROCESSES)
    assert manage("stop") == "Penstock is not running\n"


def logs_in(manage: Manage, password: str) -> None:
    netloc = str(manage.status()["system"]["url"]).removeprefix("http://")
    assert log_in(netloc, "admin", password).get(f"{SYSTEM}/me")["username"] == "admin"


def test_what_is_missing_is_named_before_anything_starts(tmp_path: Path) -> None:
    manage = Manage(tmp_path / "var", {"PENSTOCK_BUS_URL": "amqp://user:hidden@127.0.0.1:1/"})
    refused = manage.run("start")
    assert refused.returncode == 1
    assert "PENSTOCK_META_DATABASE_URL" in refused.stderr
    assert "hidden" not in refused.stdout + refused.stderr

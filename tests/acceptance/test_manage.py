"""manage.py as an operator uses it, from a folder that is not the project's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance import process
from tests.acceptance.process import ROOT, SYSTEM, Penstock
from tests.acceptance.workshop import first_password


@dataclass(frozen=True)
class Manage:
    """manage.py with a data folder of its own."""

    var: Path

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What the command prints on standard output; its exit code is asserted."""
        done = self.run(*arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=self.var.parent,
            env=process.environment(self.var),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def status(self, *, code: int = 0) -> dict[str, object]:
        found: dict[str, object] = json.loads(self("status", "-o", "json", code=code))
        return found


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[Manage]:
    command = Manage(tmp_path / "var")
    yield command
    command("stop")


def test_an_installation_is_operated_from_start_to_stop(manage: Manage) -> None:
    said = manage("start")
    assert str(manage.var / "first-passwords.txt") in said
    status = manage.status()
    assert (status["state"], status["detail"]) == ("ready", "system, meta, etl")
    assert str(status["url"]) in said
    assert str(status["pid"]) in manage("start"), "a second start leaves the first alone"
    assert manage.status()["pid"] == status["pid"]
    assert '"event":"listening"' in manage("logs", "-n", "200")
    findings = {one["check"]: one["verdict"] for one in json.loads(manage("doctor", "-o", "json"))}
    assert findings["process"] == findings["secrets"] == findings["system"] == "ok"
    assert "stop it before" in manage.run("migrate").stderr
    manage("restart")
    assert manage.status()["pid"] != status["pid"]
    assert "has stopped" in manage("stop")
    assert manage.status(code=3)["state"] == "stopped"


def test_a_reset_password_is_the_new_password_while_it_runs_and_when_it_does_not(tmp_path: Path) -> None:
    manage = Manage(tmp_path / "var")
    with process.running(manage.var) as running:
        old = first_password(manage.var, "owner")
        new = manage("reset-password", "owner").strip().rpartition(" ")[2]
        assert works(running, new)
        assert not works(running, old)
    newer = manage("reset-password", "owner", "--tenant", "default").strip().rpartition(" ")[2]
    with process.running(manage.var) as running:
        assert works(running, newer)


def works(running: Penstock, password: str) -> bool:
    form = {"grant_type": "password", "username": "owner", "password": password}
    answer = running.anonymous.call("POST", f"{SYSTEM}/oauth/token", form)
    assert answer.status in {200, 400, 429}
    return answer.status == 200


def test_the_password_of_an_unknown_user_is_not_reset(tmp_path: Path) -> None:
    manage = Manage(tmp_path / "var")
    manage("migrate")
    done = manage.run("reset-password", "nobody")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_migrate_prepares_the_databases_without_starting_anything(tmp_path: Path) -> None:
    manage = Manage(tmp_path / "var")
    assert manage("migrate").splitlines() == [
        "system: at revision 0001",
        "meta: at revision 0001",
        "etl: at revision 0004",
    ]
    assert manage.status(code=3)["state"] == "stopped"


def test_a_start_that_fails_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    manage = Manage(tmp_path / "var")
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "start"],
        env={**process.environment(manage.var), "PENSTOCK_PORT": "70000"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 1
    assert "PENSTOCK_PORT" in done.stderr
    assert str(manage.var / "logs" / "penstock.log") in done.stderr

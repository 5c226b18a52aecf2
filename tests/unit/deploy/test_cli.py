"""The command line of manage.py, where nothing is running."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.supervisor import cli
from deploy.supervisor.layout import ROOT
from shared.version import VERSION


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_VAR", str(tmp_path / "var"))
    return tmp_path


def test_status_of_nothing_is_stopped_with_exit_code_three(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"


def test_stopping_nothing_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stop"]) == 0
    assert "not running" in capsys.readouterr().out


def test_there_is_no_log_before_the_first_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs"]) == 1
    assert "no log yet" in capsys.readouterr().err


def test_the_last_lines_of_the_log_are_shown(fresh_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = fresh_folder / "var" / "logs" / "penstock.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert cli.main(["logs", "-n", "2"]) == 0
    assert capsys.readouterr().out == "line 98\nline 99\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["fly"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_manage_works_from_any_folder_with_no_package_installed(fresh_folder: Path) -> None:
    """-I and -S: neither the environment's nor the site's packages are there."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "manage.py"), "status"],
        cwd=fresh_folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("stopped")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"Penstock {VERSION}\n")


def test_a_number_of_lines_that_is_none_is_said_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["logs", "-n", "abc"])
    assert "'abc' is not a number of lines" in capsys.readouterr().err

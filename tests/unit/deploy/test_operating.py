"""The commands that Penstock's own programs carry out: how they are called, and how they end."""

import json
import sys
from pathlib import Path

import pytest

from deploy.supervisor import cli, instance
from deploy.supervisor.instance import Instance
from deploy.supervisor.layout import Layout

PROGRAM = """
import json, os, sys
told = {name: os.environ[name] for name in ("PENSTOCK_HOST", "PENSTOCK_PORT")}
with open(os.environ["SEEN_IN"], "w") as seen:
    json.dump({"arguments": sys.argv[1:], **told}, seen)
sys.stdout.write(os.environ["ANSWER"])
raise SystemExit(int(os.environ["STATUS"]))
"""


class Program:
    """Stands in for `python -m services`: keeps how it was called, answers what it is told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        (folder / "services.py").write_text(PROGRAM)
        monkeypatch.setenv("SEEN_IN", str(folder / "seen.json"))
        self.answers("[]", status=0)

    def answers(self, text: str, *, status: int) -> None:
        self._monkeypatch.setenv("ANSWER", text)
        self._monkeypatch.setenv("STATUS", str(status))

    @property
    def seen(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self._folder / "seen.json").read_text())
        return found


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A root with a program in it, beside which Penstock is said to run."""
    running = Instance(1, "", "", "http://[::1]:8123")
    monkeypatch.setattr(instance, "find", lambda _: running)
    monkeypatch.setattr(Layout, "of", lambda _: Layout(tmp_path, tmp_path / "var"))
    monkeypatch.setattr(Layout, "python", Path(sys.executable))
    for name in ("PENSTOCK_BUS_URL", "PENSTOCK_BUS_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Program(tmp_path, monkeypatch)


def test_the_program_is_told_where_penstock_listens(program: Program) -> None:
    assert cli.main(["check-dbs"]) == 0
    assert program.seen == {"arguments": ["check-dbs"], "PENSTOCK_HOST": "::1", "PENSTOCK_PORT": "8123"}


def test_options_are_handed_on_as_they_were_given(program: Program) -> None:
    given = ["--tenant", "", "--table=a b", "--table=--odd", "--action", "adopt", "--yes", "--confirm=a b"]
    cli.main(["fix-tables", *given])
    assert program.seen["arguments"] == [
        "fix-tables",
        "--tenant=",
        "--table=a b",
        "--table=--odd",
        "--action=adopt",
        "--yes",
        "--confirm=a b",
    ]


def test_people_get_text_and_the_program_s_exit_code(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    program.answers('{"tables": [], "orphans": [], "failures": []}', status=1)
    assert cli.main(["inspect-tables"]) == 1
    assert capsys.readouterr().out == "There are no data tables.\n"


def test_programs_get_what_the_program_prints(program: Program, capfd: pytest.CaptureFixture[str]) -> None:
    program.answers('[{"outcome": "new"}]', status=0)
    assert cli.main(["fix-tables", "-o", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == [{"outcome": "new"}]


def test_a_program_that_fails_leaves_no_table(program: Program, capfd: pytest.CaptureFixture[str]) -> None:
    program.answers("", status=1)
    assert cli.main(["check-dbs"]) == 1
    assert capfd.readouterr().out.strip() == ""


@pytest.mark.parametrize("command", ["check-dbs", "inspect-tables", "fix-tables"])
def test_nothing_can_be_asked_while_nothing_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENSTOCK_VAR", str(tmp_path / "var"))
    assert cli.main([command]) == 3
    assert "is not running" in capsys.readouterr().err

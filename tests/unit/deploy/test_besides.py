"""A shell with other settings sees what runs, stops it, and starts nothing beside it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.supervisor import besides, instance, lifecycle, programs
from deploy.supervisor.cli import main
from deploy.supervisor.layout import ROOT, Layout
from deploy.supervisor.programs import Program
from tests.unit.deploy.test_lifecycle import ANSWERS, program, pytestmark

__all__ = ["pytestmark"]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A running member of a team; this shell has none of its settings but the folder."""
    monkeypatch.setenv("PENSTOCK_VAR", str(tmp_path))
    made = program(tmp_path, ANSWERS)
    made = dataclasses.replace(
        made,
        title="runner-2",
        lock=tmp_path / "run" / "runner-2.lock",
        log=tmp_path / "logs" / "runner-2.log",
    )
    lifecycle.start(made)
    yield made
    lifecycle.stop(made)


def test_it_is_in_the_status(runner: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    shown = capsys.readouterr().out
    assert f"runner-2   ready      {pid_of(runner)}" in shown
    assert str(runner.url) in shown


def test_it_is_stopped(runner: Program, capsys: pytest.CaptureFixture[str]) -> None:
    pid = pid_of(runner)
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == f"runner-2 has stopped (process {pid})\n"
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "Penstock is not running\n"


def test_nothing_is_started_or_migrated_beside_it(
    runner: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start"]) == 1
    assert "runner-2 runs, started with other settings" in capsys.readouterr().err
    assert main(["migrate"]) == 1
    assert f"runner-2 is running (process {pid_of(runner)})" in capsys.readouterr().err


def test_what_is_ours_or_has_ended_is_not_besides(runner: Program, tmp_path: Path) -> None:
    layout = Layout(ROOT, tmp_path)
    assert [one.title for one in besides.others(layout, [])] == ["runner-2"]
    assert besides.others(layout, [runner]) == ()
    lifecycle.stop(runner)
    assert besides.others(layout, programs.chosen(layout, {})) == ()


@pytest.mark.parametrize("command", ["status", "stop", "start", "logs", "migrate"])
def test_who_may_not_look_is_not_told_that_nothing_runs(
    runner: Program, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert main([command]) == 1
    captured = capsys.readouterr()
    assert "can't be looked into: be the user who runs Penstock" in captured.err
    assert captured.out == ""


def pid_of(member: Program) -> int:
    running = instance.find(member.lock)
    assert running is not None
    return running.pid

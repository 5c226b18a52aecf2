"""Operating the containers, without any."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.compose import __main__ as commands
from deploy.compose import footprint, starting
from deploy.compose.engine import ROOT, Compose, Container, EngineMissing, opened
from deploy.compose.footprint import Line
from deploy.gateway import console
from services import welcome
from services.embedded import PREFIXES

ANSWERING = "#!/bin/sh\nexit 0\n"
SILENT = "#!/bin/sh\nexit 1\n"
WITHOUT_PLUGIN = '#!/bin/sh\n[ "$1" != compose ]\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH, empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def found(programs: Path) -> tuple[str, ...]:
    return opened({"PATH": str(programs)}, project="p").program


@pytest.mark.parametrize("docker", [None, SILENT])
def test_without_an_engine_the_commands_say_so_with_a_code_of_its_own(
    programs: Path, docker: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if docker:
        install(programs, "docker", docker)
    for command in ("up", "down", "ps", "footprint", "logs"):
        assert commands.main([command]) == commands.NO_ENGINE == 4
        assert "container engine" in capsys.readouterr().err


def test_trying_the_compose_file_without_an_engine_has_the_same_code(programs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.compose"],
        cwd=ROOT,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith("The compose file is not tried: There is no container engine")


def test_either_form_of_compose_will_do(programs: Path) -> None:
    install(programs, "docker", WITHOUT_PLUGIN)
    with pytest.raises(EngineMissing, match="no compose"):
        found(programs)
    install(programs, "docker-compose", ANSWERING)
    assert found(programs) == ("docker-compose",)
    install(programs, "docker", ANSWERING)
    assert found(programs) == ("docker", "compose")


def container(
    service: str, status: str = "running", health: str | None = "healthy", exit_code: int = 0
) -> Container:
    return Container("id", f"penstock_{service}_1", service, "image", status, health, exit_code)


@pytest.mark.parametrize(
    ("one", "settled"),
    [
        (container("etl"), True),
        (container("etl", health="starting"), False),
        (container("etl", health="unhealthy"), False),
        (container("etl", "restarting"), False),
        (container("migrate", health=None), True),
        (container("migrate", "exited", None), True),
        (container("migrate", "exited", None, exit_code=1), False),
    ],
)
def test_a_container_is_waited_for_until_it_is_healthy_or_has_ended_well(
    one: Container, *, settled: bool
) -> None:
    assert one.settled is settled


class Playing(Compose):
    """A project whose containers are those of a list, one after the other."""

    scenes: Iterator[list[Container]]

    def containers(self) -> list[Container]:
        return next(self.scenes)


def playing(*scenes: list[Container]) -> Playing:
    compose = Playing(("true",), "p", {})
    object.__setattr__(compose, "scenes", iter(scenes))
    return compose


def test_waiting_tells_for_whom_and_only_when_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_POLL", 0)
    late, ready = container("etl", health="starting"), container("etl")
    told: list[str] = []
    starting.wait(playing([late, container("meta")], [late], [ready]), float("inf"), told.append)
    assert told == ["Waiting for etl"]


def test_waiting_ends_with_the_names_of_those_that_never_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_POLL", 0)
    late = container("etl", health="unhealthy")
    with pytest.raises(starting.NotStarted, match="etl"):
        starting.wait(playing([late], [late]), 0, lambda _: None)


def test_waiting_ends_at_once_for_a_container_that_does_nothing_but_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starting, "_POLL", 0)
    scenes = [[replace(container("system", "restarting"), restarts=7 + times)] for times in range(9)]
    with pytest.raises(starting.NotStarted, match="Ends again and again: system"):
        starting.wait(playing(*scenes), float("inf"), lambda _: None)


def test_restarts_of_long_ago_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_POLL", 0)
    late = replace(container("etl", health="starting"), restarts=50)
    starting.wait(playing([late], [late], [container("etl")]), float("inf"), lambda _: None)


@pytest.mark.parametrize("runners", ["-1", "two", "65", ""])
def test_a_number_of_runners_that_cannot_be_is_refused(
    runners: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        commands.main(["up", f"--runners={runners}"])
    assert "is not a number of runners: 0 to 64" in capsys.readouterr().err


def test_memory_is_read_as_the_engine_writes_it() -> None:
    assert footprint.mib("92.06MiB") == pytest.approx(92.06)
    assert footprint.mib("1.5GiB") == 1536
    assert footprint.mib("1048.576kB") == 1
    with pytest.raises(ValueError, match="no amount"):
        footprint.mib("--")


def test_one_container_of_each_service_is_counted() -> None:
    services = ["system", "meta", "etl", "runner", "runner", "postgres"]
    lines = [Line(name, f"{name}_{at}", "i", 100, 50 + at) for at, name in enumerate(services)]
    assert footprint.ours(lines) == 50 + 51 + 52 + 53
    table = footprint.table(lines)
    assert "together: 206 MiB" in table
    assert table.count("\n") == len(lines) + 1


def test_the_gateway_serves_the_console_that_was_built_else_the_welcome_page(tmp_path: Path) -> None:
    console.put(tmp_path / "without", built=tmp_path / "nothing")
    page = (tmp_path / "without" / "index.html").read_text(encoding="utf-8")
    assert f"<style>{welcome.STYLE}</style>" in page
    assert "metrics" not in page
    assert all(f'href="{prefix}/openapi.json"' in page for prefix in PREFIXES.values())
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("built")
    (built / "assets" / "app.js").write_text("1")
    console.put(tmp_path / "with", built=built)
    assert (tmp_path / "with" / "index.html").read_text() == "built"
    assert (tmp_path / "with" / "assets" / "app.js").exists()
    assert console.PREFIXES == PREFIXES

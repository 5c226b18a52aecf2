"""A process ends in good order at the first signal, and at once at the second."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.process.main import strip_environment

ROOT = Path(__file__).parents[4]

PROGRAM = """
import asyncio, contextlib, os, sys
from shared.errors import Unavailable
from shared.observe import logs
from shared.process.main import run

def say(text):
    print(text, flush=True)

@contextlib.asynccontextmanager
async def life():
    mode = sys.argv[1]
    if mode == "refuse":
        raise Unavailable(what="The database")
    if mode == "slow":
        say("starting")
        try:
            await asyncio.sleep(60)
        finally:
            say("start undone")
    async with asyncio.TaskGroup():
        say("up " + str("PGPASSWORD" in os.environ))
        try:
            yield
        finally:
            say("ending")
            if mode == "stuck":
                await asyncio.sleep(60)
    say("ended")

logs.configure("test", text=False)
run(life)
"""


class Process:
    def __init__(self, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, mode],
            cwd=ROOT,
            env={**os.environ, "PGPASSWORD": "x"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def started() -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for one in processes:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_good_order(started: list[Process], number: signal.Signals) -> None:
    started.append(one := Process("steady"))
    assert one.line() == "up False"
    one.signal(number)
    status, out, err = one.end()
    assert (status, out) == (0, "ending\nended\n")
    stopping, stopped = map(json.loads, err.splitlines())
    assert (stopping["event"], stopping["signal"]) == ("stopping", number.name)
    assert stopped["event"] == "stopped"


def test_a_second_signal_has_its_ordinary_force(started: list[Process]) -> None:
    started.append(one := Process("stuck"))
    one.line()
    one.signal(signal.SIGTERM)
    assert one.line() == "ending"
    one.signal(signal.SIGTERM)
    assert one.end()[0] == -signal.SIGTERM


def test_a_signal_during_the_start_undoes_the_start(started: list[Process]) -> None:
    started.append(one := Process("slow"))
    assert one.line() == "starting"
    one.signal(signal.SIGTERM)
    assert one.end()[:2] == (0, "start undone\n")


def test_an_error_at_the_start_is_a_line_and_no_stack(started: list[Process]) -> None:
    started.append(one := Process("refuse"))
    status, out, err = one.end()
    assert (status, out) == (1, "")
    assert "The database can't be reached right now." in err
    assert "Traceback" not in err


def test_variables_of_libpq_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "PGHOST", "PGSERVICEFILE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PENSTOCK_PORT", "1")
    strip_environment()
    assert not [name for name in os.environ if name.startswith("PG")]
    assert os.environ["PENSTOCK_PORT"] == "1"

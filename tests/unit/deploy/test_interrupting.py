"""Ctrl-C while a program of ours works: it may let go of what it holds before it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.supervisor import operating

POLITE = """
import signal, sys, time
from pathlib import Path

def leave(*_):
    time.sleep(1)
    print("left", flush=True)
    sys.exit(130)

signal.signal(signal.SIGINT, leave)
Path(sys.argv[1]).touch()
signal.pause()
"""
STUBBORN = POLITE.replace("leave(*_):", "leave(*_):\n    return")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Whoever runs the tests in the background of a shell has its SIGINT ignored, and so have we."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(script: str, ready: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(ready)],
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def interrupt_when(ready: Path) -> None:
    """Send ourselves what a terminal sends for Ctrl-C."""

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()


def test_a_program_that_is_interrupted_ends_by_itself(tmp_path: Path) -> None:
    with started(POLITE, tmp_path / "ready") as program:
        interrupt_when(tmp_path / "ready")

        assert operating._printed(program) == "left\n"

    assert program.returncode == 130


def test_one_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating, "_LEAVE_SECONDS", 0.2)
    with started(STUBBORN + "\nsignal.pause()", tmp_path / "ready") as program:
        interrupt_when(tmp_path / "ready")

        with pytest.raises(KeyboardInterrupt):
            operating._printed(program)

    assert program.returncode == -signal.SIGKILL

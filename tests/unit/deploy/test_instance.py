"""Finding, signalling and excluding the process of an installation."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.supervisor import instance
from deploy.supervisor.instance import Instance
from services.installation import AlreadyRunning, FolderUnusable, Installation

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from services.installation import Installation
with Installation(Path(sys.argv[1]), version="1.2.3") as installation:
    installation.listening("http://127.0.0.1:1")
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the installation until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def stale(folder: Path, pid: int) -> Path:
    """A lock file as a process leaves it that was killed: written, but no longer held."""
    lock = folder / "penstock.lock"
    lock.write_text(json.dumps({"pid": pid, "since": "", "version": "1", "url": None}))
    return lock


def test_a_running_process_is_found_with_what_it_said(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        found = instance.find(tmp_path / "penstock.lock")
        assert found is not None
        assert (found.pid, found.version, found.url) == (process.pid, "1.2.3", "http://127.0.0.1:1")


def test_a_process_that_was_killed_is_not_running(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.kill()
    assert instance.find(tmp_path / "penstock.lock") is None


def test_a_pid_that_belongs_to_another_process_by_now_is_never_signalled(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        lock = stale(tmp_path, stranger.pid)
        assert instance.find(lock) is None
        assert not instance.send(lock, Instance(stranger.pid, "", "1", None), signal.SIGKILL)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0


def test_the_holder_is_signalled(tmp_path: Path) -> None:
    lock = tmp_path / "penstock.lock"
    with another_process(tmp_path) as process:
        found = instance.find(lock)
        assert found is not None
        assert instance.send(lock, found, signal.SIGTERM)
        process.wait(10)
        assert instance.wait(lambda: instance.find(lock) is None, 5)


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with (
        another_process(tmp_path) as process,
        pytest.raises(AlreadyRunning, match=f"process {process.pid}"),
        Installation(tmp_path, version="1"),
    ):
        pass


def test_looking_at_the_lock_does_not_keep_a_process_from_starting(tmp_path: Path) -> None:
    with Installation(tmp_path, version="1"):
        for _ in range(50):
            assert instance.find(tmp_path / "penstock.lock") is not None
    assert instance.find(tmp_path / "penstock.lock") is None


def test_a_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    with Installation(tmp_path / "var", version="1") as installation:
        assert installation.folder.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_is_a_file_is_said_to_be_unusable(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(FolderUnusable, match="File exists"), Installation(tmp_path / "var", version="1"):
        pass


def test_a_process_that_has_not_said_who_it_is_is_not_signalled(tmp_path: Path) -> None:
    assert not instance.send(tmp_path / "penstock.lock", Instance(0, "", "", None), signal.SIGTERM)


def test_a_process_that_has_given_the_lock_back_but_lives_has_not_ended(tmp_path: Path) -> None:
    lock = tmp_path / "penstock.lock"
    program = HOLDER + "\nprint('released', flush=True)\nsys.stdin = open(sys.argv[2])\nsys.stdin.read()\n"
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(tmp_path / "fifo")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        found = instance.find(lock)
        assert found is not None
        with instance.watching(lock, found) as ended:
            process.stdin.close()
            assert process.stdout.readline() == "released\n"
            assert instance.find(lock) is None
            assert not ended()
            (tmp_path / "fifo").write_text("")
            assert instance.wait(ended, 10)

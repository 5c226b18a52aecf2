"""Run one server and end it with whoever asked for it, also when that process is killed.

usage: python guard.py FOLDER SIGNAL UID GID COMMAND [ARGUMENT...]

The guard starts the command in the folder, as that user when it is root, and waits until its own
standard input ends: the asking process holds the other end of that pipe, so it ends at a stop as well
as at a crash. Then it sends the signal, waits for the server, and removes the folder. It imports the
standard library only, because it is run by its path.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.1


def main(folder: str, stop_signal: int, account: tuple[int, int], command: list[str]) -> int:
    """Guard one server; the exit code is the server's when it ended by itself, else 0."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    try:
        server = start(folder, account, command)
        while server.poll() is None:
            readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
            if readable and not os.read(sys.stdin.fileno(), 1):
                return end(server, stop_signal)
        return server.returncode
    finally:
        remove(folder)


def start(folder: str, account: tuple[int, int], command: list[str]) -> "subprocess.Popen[bytes]":
    if os.geteuid() != 0:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder)
    uid, gid = account
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, cwd=folder, user=uid, group=gid, extra_groups=[]
    )


def end(server: "subprocess.Popen[bytes]", stop_signal: int) -> int:
    server.send_signal(stop_signal)
    try:
        server.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    return 0


def remove(folder: str) -> None:
    """Remove the folder; another guard may still be ending a server that writes there."""
    deadline = time.monotonic() + GRACE_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4])), sys.argv[5:]))

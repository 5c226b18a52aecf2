"""What every private server needs: a folder, a free port, an unprivileged user, a guard."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 20.0


class ServerMissing(Exception):
    """The program of a server is not installed."""


class ServerFailed(Exception):
    """A server did not start; the text is the end of what it printed."""


@dataclass(frozen=True)
class Guarded:
    """A server under its guard."""

    guard: "subprocess.Popen[bytes]"
    log: BinaryIO

    def alive(self) -> bool:
        return self.guard.poll() is None

    def printed(self) -> str:
        """The end of what the server printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the server and remove its folder."""
        assert self.guard.stdin is not None
        self.guard.stdin.close()
        self.guard.wait(STOP_SECONDS)
        self.log.close()


@dataclass(frozen=True)
class Account:
    """The user a server runs as: ourselves, or an unprivileged one when we are root."""

    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> "Account":
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def folder(self, prefix: str) -> Path:
        """A new temporary folder that belongs to the account and to nobody else."""
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        os.chown(folder, self.uid, self.gid)
        return folder

    def directory(self, path: Path) -> None:
        """Make a folder of the account's, when it is not there yet."""
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, self.uid, self.gid)

    def file(self, path: Path, content: str) -> None:
        """Write a file that only the account may read, when it is not there yet."""
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(content)
            os.chown(path, self.uid, self.gid)

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        given: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command to its end as the account; `given` is its input, the result what it printed."""
        root = os.geteuid() == 0
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment() | dict(variables or {}),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=self.uid if root else None,
            group=self.gid if root else None,
            extra_groups=[] if root else None,
        )
        if done.returncode:
            raise ServerFailed((done.stdout + done.stderr)[-2000:])
        return done.stdout

    def guarded(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        stop_signal: int,
        variables: Mapping[str, str] | None = None,
    ) -> Guarded:
        """Start a server that ends with this process; `variables` are for its environment."""
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        who = [str(int(stop_signal)), str(self.uid), str(self.gid)]
        guard = subprocess.Popen(
            [sys.executable, "-I", str(GUARD), str(folder), *who, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment() | dict(variables or {}),
        )
        return Guarded(guard, log)


def environment() -> dict[str, str]:
    """A plain environment: nothing of the caller's may aim a server or its tools elsewhere."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def free_port() -> int:
    """A loopback port that was free a moment ago; whoever takes it must be ready to try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str, *folders: Path) -> Path:
    """The program from the PATH, else from the last of the folders that has it."""
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else [folder / name for folder in folders]
    installed = [candidate for candidate in candidates if candidate.exists()]
    if not installed:
        raise ServerMissing(f"{name} is not installed")
    return installed[-1].resolve()

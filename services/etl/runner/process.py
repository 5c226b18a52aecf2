"""A child process as its parent sees it: spawned, spoken to, watched, ended."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from services.etl.runner import frames

_ROOT: Final = Path(__file__).parents[3]
_INHERITED: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "SYSTEMROOT", "PYTHONUTF8", "PYTHONWARNINGS", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What a child gets of our environment: no setting of ours, no secret, nothing for a database driver."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class ChildUnready(Exception):
    """The child process did not start."""


class Child:
    """One child process, spoken to by its standard input and output; what it prints goes to our stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.runs = 0
        self.peak_mb = 0
        self.killed_for: str | None = None

    @classmethod
    async def spawn(cls, *, seconds: float) -> Self:
        """Start a child and wait until it is ready. Raises ChildUnready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "services.etl.runner.child",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        child = cls(process)
        try:
            async with asyncio.timeout(seconds):
                ready = await child.receive()
        except TimeoutError:
            ready = None
        except BaseException:
            await asyncio.shield(child.end())
            raise
        if ready is None:
            await child.end()
            raise ChildUnready
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises ConnectionError when the child is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(frames.pack(message))
        await self._process.stdin.drain()

    async def receive(self) -> Any | None:
        """Its next message; None when it has ended."""
        assert self._process.stdout is not None
        return await frames.receive(self._process.stdout)

    def memory_mb(self) -> int:
        """Its resident memory in MiB; 0 where the system doesn't tell."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        now = int(pages) * _PAGE >> 20
        self.peak_mb = max(self.peak_mb, now)
        return now

    def kill(self, reason: str | None = None) -> None:
        """End it at once."""
        self.killed_for = self.killed_for or reason
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # asyncio's own kill() may reap it and lose how it ended

    async def end(self) -> str:
        """End it and wait until it is gone; says how it ended."""
        self.kill()
        code = await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.killed_for:
            return self.killed_for
        if code < 0:
            return f"killed by signal {-code} ({signal.Signals(-code).name})"
        return f"ended with code {code}"


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {"PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}

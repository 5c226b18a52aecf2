"""Install Debian packages of servers without starting the servers."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
MARK = "# made by Penstock while it installs packages"
DENY = f"#!/bin/sh\n{MARK}\nexit 101\n"
"""Exit code 101 forbids the action: invoke-rc.d(8), deb-systemd-invoke(1p)."""


class InstallationFailed(Exception):
    """apt-get ended with an error."""


def usable() -> bool:
    """Whether this is a Debian on which we may install."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install packages; no service is started by it."""
    with nothing_started():
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *packages)


@contextmanager
def nothing_started(policy: Path = POLICY) -> Iterator[None]:
    """Forbid package scripts to start services; an administrator's own policy is left as it is."""
    ours = not policy.exists() or MARK in policy.read_text(errors="replace")
    if ours:
        policy.write_text(DENY)
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InstallationFailed((done.stderr or done.stdout).strip()[-1500:])

"""The servers that a team runs against: named by the settings, operated by somebody else."""

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.supervisor import addresses, programs
from deploy.supervisor.finding import Finding

SECONDS: Final = 3.0


def reachable(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether something listens where the settings say; neither passwords nor whole URLs are shown."""
    for name in (programs.BROKER, *programs.DATABASES):
        if programs.given(environment, name):
            yield _server(name, environment)
            yield from _open_to_others(f"PENSTOCK_{name}_FILE", environment)


def _open_to_others(setting: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    path = Path(environment.get(setting) or os.devnull)
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding("secrets", "warning", f"others may read the file of {setting}", f"chmod 600 {path}")


def _server(name: str, environment: Mapping[str, str]) -> Finding:
    check, setting = name.removesuffix("_URL").lower().replace("_", " "), f"PENSTOCK_{name}"
    try:
        host, port = addresses.address_of(setting, environment)
    except OSError as error:
        hint = "check its name and who may read it"
        return Finding(check, "failed", f"the file of {setting}_FILE can't be read: {error.strerror}", hint)
    except ValueError as error:
        return Finding(check, "failed", f"{setting} {error}")
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return Finding(check, "ok", f"{host}:{port} answers")
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Finding(
            check, "failed", f"{host}:{port}: {reason}", "start the server, or correct the setting"
        )

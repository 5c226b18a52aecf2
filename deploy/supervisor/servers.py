"""The servers that a team runs against: named by the settings, operated by somebody else."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.supervisor import programs
from deploy.supervisor.finding import Finding

USUAL_PORTS: Final = {"amqp": 5672, "amqps": 5671, "postgresql+asyncpg": 5432}
SECONDS: Final = 3.0


def reachable(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether something listens where the settings say; neither passwords nor whole URLs are shown."""
    for name in (programs.BROKER, *programs.DATABASES):
        if programs.given(environment, name):
            yield _server(name, environment)


def _server(name: str, environment: Mapping[str, str]) -> Finding:
    check, setting = name.removesuffix("_URL").lower().replace("_", " "), f"PENSTOCK_{name}"
    try:
        host, port = _address(_value(environment, setting))
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


def _value(environment: Mapping[str, str], setting: str) -> str:
    if environment.get(setting):
        return environment[setting]
    return Path(environment[f"{setting}_FILE"]).read_text(encoding="utf-8").strip()


def _address(url: str) -> tuple[str, int]:
    """Host and port; the ValueError says what is wrong without the URL, which holds a password."""
    try:
        parts = urlsplit(url)
        usual = USUAL_PORTS[parts.scheme]
        port = parts.port or usual
    except KeyError:
        raise ValueError(f"doesn't begin with {', '.join(f'{known}://' for known in USUAL_PORTS)}") from None
    except ValueError:
        raise ValueError("is not a URL") from None
    if not parts.hostname:
        raise ValueError("names no host")
    return parts.hostname, port

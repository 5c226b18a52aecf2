"""The processes that manage.py looks after: one in embedded mode, several as a team.

Embedded mode is what runs without settings. A message broker in the settings makes it a team: each service
and each runner a process of its own, against servers that somebody else operates.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.supervisor import addresses
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.layout import Layout

SERVICES: Final = {"system": 8081, "meta": 8082, "etl": 8083}
"""The services in the order of their start, and the ports they have when the settings name none."""

FIRST_RUNNER_PORT: Final = 8084
MAX_RUNNERS: Final = 64
BROKER: Final = "BUS_URL"
DATABASES: Final = tuple(f"{name.upper()}_DATABASE_URL" for name in SERVICES)
_DENIED: Final = "PENSTOCK_OUTBOUND_DENIED_ADDRESSES"


@dataclass(frozen=True)
class Program:
    """A process that runs in the background.

    It is found by a lock that it holds as long as it lives. Embedded mode takes its own and writes into it
    where it listens; the lock of a team's process is taken for it, and `url` says where it will listen.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    lock: Path
    log: Path
    url: str | None = None


def is_team(environment: Mapping[str, str]) -> bool:
    """Whether the settings describe a team: they name a message broker."""
    return given(environment, BROKER)


def given(environment: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value, in itself or in a file."""
    return any(environment.get(f"PENSTOCK_{name}{suffix}") for suffix in ("", "_FILE"))


def chosen(layout: Layout, environment: Mapping[str, str] = os.environ) -> tuple[Program, ...]:
    """The processes of this installation, in the order of their start. CommandFailed names bad settings."""
    if not is_team(environment):
        return (embedded(layout),)
    missing = [f"PENSTOCK_{name}" for name in DATABASES if not given(environment, name)]
    if missing:
        raise CommandFailed(
            f"PENSTOCK_{BROKER} makes this a team, and a team needs {' and '.join(missing)}, too"
            " (or the same with _FILE)."
        )
    return tuple(_team(layout, environment))


def embedded(layout: Layout, *, port: int | None = None) -> Program:
    """The one process of embedded mode."""
    changes = {} if port is None else {"PENSTOCK_PORT": str(port)}
    return Program(
        "Penstock",
        (str(layout.python), "-m", "services"),
        layout.environment(**changes),
        layout.lock,
        layout.log,
    )


def _team(layout: Layout, environment: Mapping[str, str]) -> Iterator[Program]:
    host = environment.get("PENSTOCK_HOST") or "127.0.0.1"
    ports = {name: _number(environment, f"{name.upper()}_PORT", usual) for name, usual in SERVICES.items()}
    shared = {"PENSTOCK_HOST": host, **_denied(environment)}
    for name in ("system", "meta"):
        if not given(environment, f"{name.upper()}_URL"):
            shared[f"PENSTOCK_{name.upper()}_URL"] = _url(host, ports[name])
    for name, port in ports.items():
        changes = {"PENSTOCK_RUNNER": "false"} if name == "etl" else {}
        yield _member(layout, name, f"services.{name}", {**shared, **changes}, port=port)
    first = _number(environment, "RUNNER_PORT", FIRST_RUNNER_PORT)
    for index in range(_runners(environment)):
        yield _member(layout, f"runner-{index + 1}", "services.etl.runner", shared, port=first + index)


def _denied(environment: Mapping[str, str]) -> Mapping[str, str]:
    """No resource may be at a server of any member: each by itself knows its own database only."""
    if environment.get(f"{_DENIED}_FILE"):
        return {}  # together with the variable it would be refused
    servers = addresses.endpoints([f"PENSTOCK_{name}" for name in (BROKER, *DATABASES)], environment)
    return {_DENIED: ",".join(dict.fromkeys([*filter(None, [environment.get(_DENIED)]), *servers]))}


def _member(layout: Layout, name: str, module: str, changes: Mapping[str, str], *, port: int) -> Program:
    return Program(
        name,
        (str(layout.python), "-m", module),
        layout.environment(**changes, PENSTOCK_PORT=str(port)),
        layout.var / "run" / f"{name}.lock",
        layout.var / "logs" / f"{name}.log",
        url=_url(changes["PENSTOCK_HOST"], port),
    )


def _url(host: str, port: int) -> str:
    """Where a process of this machine is reached that listens on the host."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _runners(environment: Mapping[str, str]) -> int:
    count = _number(environment, "RUNNERS", 1)
    if not 1 <= count <= MAX_RUNNERS:
        raise CommandFailed(f"PENSTOCK_RUNNERS is {count}; it can be 1 to {MAX_RUNNERS}.")
    return count


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(f"PENSTOCK_{name}") or str(usual)
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):  # noqa: PLR2004 - the last port
        raise CommandFailed(f"PENSTOCK_{name} is {text!r}; it must be a number from 0 to 65535.")
    return int(text)

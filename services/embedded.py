"""Embedded mode: System, Meta, ETL and a runner in one process, on SQLite files, with the bus in memory.

The only module that may import several services. They talk as they do elsewhere: over HTTP, on loopback.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from pydantic import Field, ValidationError

from services import databases, welcome
from services.etl import app as etl
from services.etl.settings import EtlSettings
from services.installation import Installation
from services.meta import app as meta
from services.meta.settings import MetaSettings
from services.system import app as system
from services.system import bootstrap
from services.system.passwords_reset import reset_password
from services.system.settings import SystemSettings
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.config.base import DataFolder, LogLevel, Settings, describe_problems, load
from shared.db import migrations
from shared.db.session import Database
from shared.errors import PenstockError
from shared.http.app import build_root
from shared.http.server import bound, serving
from shared.observe import logs
from shared.process import main as process
from shared.version import VERSION

PREFIXES: Final = {service.TITLE: service.PREFIX for service in (system, meta, etl)}
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_ANY_PORT: Final = 8080
"""For commands that serve nothing, where the settings leave the port to the system."""

_PROG: Final = "python -m services"

_log = logs.get(__name__)


class EmbeddedSettings(Settings):
    """Where embedded mode keeps its data and where it listens."""

    var: DataFolder = Field(default=Path("var"), description="The folder of all data.")
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one.")
    log_level: LogLevel = Field(default="INFO", description="How much is logged: DEBUG to ERROR.")


@dataclass(frozen=True)
class Parts:
    """The settings of the three services, made to fit together."""

    system: SystemSettings
    meta: MetaSettings
    etl: EtlSettings

    @classmethod
    def of(cls, var: Path, url: str) -> "Parts":
        """What embedded mode decides; all else comes from the environment as everywhere."""
        given: dict[str, Any] = {
            "var": var,
            "embedded": True,
            "system_url": f"{url}{system.PREFIX}",
            "meta_url": f"{url}{meta.PREFIX}",
            "sqlite_root": var / "sqlite",
            "outbound_allow_loopback": True,
            "outbound_denied_addresses": (url.removeprefix("http://"),),
        }
        return cls(load(SystemSettings, **given), load(MetaSettings, **given), load(EtlSettings, **given))

    def databases(self) -> Mapping[str, str]:
        """The URL of each service's own database."""
        return {
            system.NAME: self.system.database_url,
            meta.NAME: self.meta.database_url,
            etl.NAME: self.etl.database_url,
        }


def run() -> int:
    """Serve until a signal; the result is the exit code."""
    began = time.monotonic()
    settings = _settings()
    process.strip_environment()
    logs.configure("embedded", level=settings.log_level)
    try:
        with (
            Installation(settings.var.absolute(), version=VERSION) as installation,
            # Before anything else is done, so that a busy port costs nothing but its message.
            bound(settings.host, settings.port) as sock,
        ):
            process.run(lambda: _serving(installation, sock, settings, began))
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def migrate() -> int:
    """Bring the three databases to the newest schema; nothing else may be running on them."""
    settings = _settings()
    process.strip_environment()
    logs.configure("embedded", level="WARNING")
    try:
        with Installation(settings.var.absolute(), version=VERSION) as installation:
            parts = Parts.of(installation.folder, _url(settings.host, settings.port or _ANY_PORT))
            databases.check(installation.folder, parts.databases())
            asyncio.run(_migrate(parts))
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in parts.databases():
        sys.stdout.write(f"{name}: at revision {migrations.head(name)}\n")
    return 0


def give_new_password(user: str, tenant: str | None) -> int:
    """Make a new random password for a user and print it."""
    settings = _settings()
    process.strip_environment()
    logs.configure("embedded", level="WARNING")
    folder = settings.var.absolute()
    try:
        parts = Parts.of(folder, _url(settings.host, settings.port or _ANY_PORT))
        if not databases.check(folder, parts.databases()):
            raise databases.NotInstalled(folder=folder)
        password = asyncio.run(reset_password(parts.system, user, tenant=tenant))
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"The new password of {user}: {password}\n")
    return 0


def operate(arguments: Sequence[str]) -> int:
    """Carry out an operator's command beside the process that is running; the first argument names it."""
    from services.etl.operate import commands as of_etl
    from services.meta.operate import commands as of_meta

    settings = _settings()
    logs.configure("embedded", level="WARNING")
    parts = partial(Parts.of, settings.var.absolute(), _url(settings.host, settings.port or _ANY_PORT))
    if arguments[0] in of_etl.NAMES:
        return of_etl.run(lambda: parts().etl, arguments, prog=_PROG)
    return of_meta.run(lambda: parts().meta, arguments, prog=_PROG)


def _settings() -> EmbeddedSettings:
    try:
        return EmbeddedSettings()
    except ValidationError as error:
        raise SystemExit(describe_problems(error, EmbeddedSettings)) from None


def _url(host: str, port: int) -> str:
    host = ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _migrate(parts: Parts) -> None:
    for name, url in parts.databases().items():
        database = Database(url, pool_size=1)
        try:
            await migrations.ensure_current(database, url, name, migrate=True)
        finally:
            await database.close()


@asynccontextmanager
async def _serving(
    installation: Installation, sock: socket.socket, settings: EmbeddedSettings, began: float
) -> AsyncIterator[None]:
    url = _url(settings.host, sock.getsockname()[1])
    parts = Parts.of(installation.folder, url)
    databases.check(installation.folder, parts.databases())
    await _migrate(parts)
    await bootstrap.prepare(parts.system)
    databases.mark(installation.folder, version=VERSION)
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    try:
        async with serving(_application(parts, bus), sock=sock):
            installation.listening(url)
            _announce(url, parts.system.first_passwords, time.monotonic() - began)
            yield
    finally:
        await bus.close()


def _application(parts: Parts, bus: MemoryBus) -> web.Application:
    root = build_root(
        system.build_app(parts.system, bus=bus),
        meta.build_app(parts.meta, bus=bus),
        etl.build_app(parts.etl, bus=bus),
    )
    root.router.add_get("/", _welcome, allow_head=False)
    return root


async def _welcome(_: web.Request) -> web.Response:
    return web.Response(
        text=welcome.page(version=VERSION, prefixes=PREFIXES),
        content_type="text/html",
        headers={"Content-Security-Policy": welcome.content_security_policy()},
    )


def _announce(url: str, first_passwords: Path, seconds: float) -> None:
    """On standard output, for people; the log goes to standard error."""
    lines = [f"Penstock {VERSION} is ready at {url} ({seconds:.1f} s)"]
    if first_passwords.exists():
        lines.append(f"The first passwords are in {first_passwords}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    _log.info("listening", url=url)

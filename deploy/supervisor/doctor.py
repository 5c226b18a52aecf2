"""Look for what keeps Penstock from working, and say what to do about it."""

import os
import shutil
import socket
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from deploy.supervisor import health, instance, packages, programs, servers
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.finding import Finding
from deploy.supervisor.layout import ROOT, Layout

SUPPORTED = ((3, 11), (3, 13))
LITTLE_SPACE_MB = 1024
DATABASES = ("system", "meta", "etl")


def examine(layout: Layout, environment: dict[str, str]) -> Iterator[Finding]:
    """All findings, in the order in which things can go wrong."""
    yield _python()
    yield _packages(layout)
    yield _folder(layout.var)
    yield _space(layout.var)
    yield from _secrets(layout)
    yield from _team(layout, environment) if programs.is_team(environment) else _embedded(layout, environment)


def _embedded(layout: Layout, environment: dict[str, str]) -> Iterator[Finding]:
    yield from (_database(name, layout.var / f"{name}.db") for name in DATABASES)
    yield from _lost(layout, environment)
    running = instance.find(layout.lock)
    if running is None:
        host, port = environment.get("PENSTOCK_HOST", "127.0.0.1"), environment.get("PENSTOCK_PORT", "8080")
        yield _port("port", host, port, "set PENSTOCK_PORT to another")
    yield _process("process", running)


def _team(layout: Layout, environment: dict[str, str]) -> Iterator[Finding]:
    yield from servers.reachable(environment)
    try:
        members = programs.chosen(layout, environment)
    except CommandFailed as failure:
        yield Finding("settings", "failed", str(failure))
        return
    found = {member.title: instance.find(member.lock) for member in members}
    for member in members:
        running = found[member.title]
        if running is None:
            address = urlsplit(member.url or "")
            hint = "set its PENSTOCK_..._PORT to another"
            yield _port(member.title, address.hostname or "", str(address.port), hint)
        if running is None and any(found.values()):
            yield Finding(
                member.title, "failed", "not running, while others are", "`manage.py start` starts it"
            )
        else:
            yield _process(member.title, running)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        return Finding("python", "ok", version)
    return Finding("python", "failed", version, "use Python 3.11 to 3.13")


def _packages(layout: Layout) -> Finding:
    wrong = packages.differing(layout.python, layout.root / "requirements" / "all.txt")
    if not wrong:
        return Finding("packages", "ok", f"as locked, in {layout.python}")
    shown = ", ".join(wrong[:5]) + (" ..." if len(wrong) > len(wrong[:5]) else "")
    return Finding(
        "packages", "failed", f"{len(wrong)} missing or not as locked: {shown}", "run `make setup`"
    )


def _folder(var: Path) -> Finding:
    if not var.exists():
        return Finding("data", "ok", f"{var} is made at the first start")
    if not os.access(var, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data", "failed", f"{var} can't be written", "give it to the user who runs Penstock")
    if stat.S_IMODE(var.stat().st_mode) & 0o077:
        return Finding("data", "warning", f"others may look into {var}", f"chmod 700 {var}")
    return Finding("data", "ok", str(var))


def _space(var: Path) -> Finding:
    place = next(folder for folder in (var, *var.parents) if folder.exists())
    free = shutil.disk_usage(place).free // 1_000_000
    if free < LITTLE_SPACE_MB:
        return Finding("space", "warning", f"{free} MB free", "uploads and runs need room")
    return Finding("space", "ok", f"{free} MB free")


def _secrets(layout: Layout) -> Iterator[Finding]:
    folder = layout.var / "secrets"
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    open_to_others = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_to_others:
        names = ", ".join(open_to_others)
        yield Finding("secrets", "failed", f"others may read {names}", f"chmod 600 {folder}/*")
    elif files:
        yield Finding("secrets", "ok", f"{len(files)} files, readable by their owner alone")
    if layout.first_passwords.exists():
        hint = "change them and remove the file"
        yield Finding("passwords", "warning", f"first passwords are still in {layout.first_passwords}", hint)


def _database(name: str, path: Path) -> Finding:
    if not path.exists():
        return Finding(name, "ok", "no database yet")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            newer = _unknown_revision(connection, name)
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding(name, "failed", f"{path} can't be read: {error}", "restore it from a backup")
    if said != "ok":
        return Finding(name, "failed", f"{path} is damaged: {said}", "restore it from a backup")
    if newer:
        hint = "use the newer version again, or restore a backup from before it"
        return Finding(
            name, "failed", f"{path} is at revision {newer}, which this version doesn't know", hint
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding(name, "failed", f"others may read {path}", f"chmod 600 {path}")
    return Finding(name, "ok", f"{path.name}, {path.stat().st_size // 1024} kB")


def _unknown_revision(connection: sqlite3.Connection, name: str) -> str | None:
    """The revision of a database when none of this version's migrations makes it."""
    table = f"alembic_version_{name}"
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return None
    found = connection.execute(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608 - our own name
    files = (ROOT / "services" / name / "migrations" / "versions").glob("*.py")
    known = {path.name.partition("_")[0] for path in files}
    return None if found is None or found[0] in known else str(found[0])


def _lost(layout: Layout, environment: dict[str, str]) -> Iterator[Finding]:
    """What a complete installation has and this one hasn't, unless the settings say that it is elsewhere."""
    if not programs.given(environment, "MASTER_KEYS") and (layout.var / "system.db").exists():
        keys = layout.var / "secrets" / "master-keys"
        if not keys.exists():
            yield Finding("keys", "failed", f"{keys} is missing", "restore it from a backup")
    ours = [name for name in DATABASES if not programs.given(environment, f"{name.upper()}_DATABASE_URL")]
    paths = [layout.var / f"{name}.db" for name in ours]
    missing = [path for path in paths if not path.exists() or path.stat().st_size == 0]
    if missing and len(missing) < len(paths) and (layout.var / "installation.json").exists():
        names = " and ".join(map(str, missing))
        hint = "restore it from a backup, or move the other databases away to begin anew"
        yield Finding("databases", "failed", f"{names} is missing", hint)


def _port(check: str, host: str, port: str, hint: str) -> Finding:
    try:
        with socket.create_server((host, int(port))):
            return Finding(check, "ok", f"{host}:{port} is free")
    except (ValueError, OverflowError):
        return Finding(check, "failed", f"PENSTOCK_PORT is {port!r}", "set it to a number from 0 to 65535")
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Finding(check, "failed", f"{host}:{port}: {reason}", hint)


def _process(check: str, running: instance.Instance | None) -> Finding:
    if running is None:
        return Finding(check, "ok", "not running")
    if running.url is None or not (found := health.ask(running.url)).reached:
        return Finding(check, "warning", f"{running.pid} doesn't answer (yet)", "see `manage.py logs`")
    if not found.ready:
        return Finding(check, "failed", f"{running.pid} is not ready: {found.detail}", "see `manage.py logs`")
    if found.away:
        away = ", ".join(found.away)
        return Finding(
            check, "warning", f"{running.pid} is ready, but without {away}", "see `manage.py logs`"
        )
    return Finding(check, "ok", f"{running.pid} is ready at {running.url}")

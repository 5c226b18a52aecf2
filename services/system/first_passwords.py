"""The first passwords: given in a private file, else made up and written to one.

They are written before the users are made, and read again by the next start if this one ends in between.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.system.sessions.passwords import random_password
from shared.errors import Terminal
from shared.observe import redaction

_PRIVATE = 0o600
_OTHERS = 0o077


class PasswordFileUnusable(Terminal):
    """The password file that {setting} names can't be used: {reason}."""


def given(path: Path, setting: str) -> str:
    """The password of a file that only its owner may read; raises PasswordFileUnusable."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            password = file.read(1000).strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise PasswordFileUnusable(setting=setting, reason="it can't be read") from None
    if stat.S_IMODE(mode) & _OTHERS:
        raise PasswordFileUnusable(setting=setting, reason="others may read it; its mode has to be 0600")
    if not password:
        raise PasswordFileUnusable(setting=setting, reason="it is empty")
    redaction.redact(password)
    return password


def written(path: Path, account: str, username: str) -> str:
    """The password that the file has for this account, added to it first when it has none yet."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = f"{account}: {username} / "
    with _alone(path.parent):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            if line.startswith(start):
                return _known(line.removeprefix(start))
        password = random_password()
        _replace(path, [*lines, start + password])
    return _known(password)


def forget(path: Path, account: str, username: str) -> None:
    """Take out the password of an account, which has another by now; the file goes with its last line."""
    if not path.exists():
        return
    with _alone(path.parent):
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(f"{account}: {username} / ")]
        if not kept:
            path.unlink()
        elif kept != lines:
            _replace(path, kept)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let other processes that start on this folder wait; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _known(password: str) -> str:
    redaction.redact(password)
    return password


def _replace(path: Path, lines: list[str]) -> None:
    """Whole or not at all: a draft is written beside and takes the name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

"""Secrets that are made once and kept in files that only their owner can read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """The text of a secret file; the first caller makes it.

    The file gets mode 0600, folders that are missing 0700. Two processes that race get one and the same
    secret: it is written beside and then linked into place, which only one of them can do. Raises OSError.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write(draft, make())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, with mode 0700; what exists is left alone."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        return file.read().removesuffix("\n")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())

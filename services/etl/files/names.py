"""How the store names what lies in it, and how a file is named to whoever downloads it."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

PART: Final = ".part"
"""Behind the id of a file that a run is writing. Its writer holds a lock on it (flock) while it lives."""


def part_of(path: Path) -> Path:
    """Where the bytes of a file lie while a run writes them."""
    return path.with_name(path.name + PART)


_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._()+=@,-]")


def attachment(name: str) -> str:
    """The Content-Disposition of a download (RFC 6266): any name in UTF-8, beside a plain one (RFC 8187)."""
    plain = _PLAIN.sub("_", name).strip(" .") or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"

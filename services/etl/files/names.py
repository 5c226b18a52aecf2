"""How the store names what lies in it."""

from pathlib import Path
from typing import Final

PART: Final = ".part"
"""Behind the id of a file that a run is writing. Its writer holds a lock on it (flock) while it lives."""


def part_of(path: Path) -> Path:
    """Where the bytes of a file lie while a run writes them."""
    return path.with_name(path.name + PART)

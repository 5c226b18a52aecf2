"""The target itself, asked past Penstock."""

import sqlite3
from pathlib import Path
from typing import Any


class Target:
    """The table `flights` in an SQLite file, read-only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> int:
        return int(self._ask("SELECT count(*) FROM flights")[0][0])

    def fingerprint(self) -> tuple[Any, ...]:
        """Figures that a change of any row would change."""
        return self._ask(
            "SELECT count(*), sum(flight_number), sum(departed), sum(arrival_delay), min(time_hour),"
            " max(time_hour), count(DISTINCT tail_number), total(distance) FROM flights"
        )[0]

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

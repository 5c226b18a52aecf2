"""What a part of an ALTER TABLE makes InnoDB do (MySQL 8.0 manual, section 17.12.1 "Online DDL Operations";
MariaDB, "InnoDB Online DDL Operations with the INSTANT / NOCOPY / INPLACE Alter Algorithm").
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from services.etl.columns import ColumnType

_VERSION: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_PER_CHARACTER: Final = 4
_SHORT: Final = 255
"""Up to so many bytes the length of a value takes one byte, beyond it takes two."""
_SHORTEST: Final = 127
"""Up to so many bytes InnoDB keeps the length in a way that has room for two."""


class Algorithm(IntEnum):
    """From the cheapest: the catalog alone; indexes alone; the table anew beside those who write; a copy."""

    INSTANT = 0
    NOCOPY = 1
    REBUILD = 2
    COPY = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A clause of an ALTER TABLE; its kind says whether it makes or drops a column, or makes an index."""

    sql: str
    algorithm: Algorithm
    kind: Literal["column", "index", "other"] = "other"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one server does; read from its name and version, as MariaDB 10.6 where nothing is known."""

    is_mariadb: bool = True
    version: tuple[int, int, int] = (10, 6, 0)
    at_once: bool = True
    """Whether columns come and go in the catalog alone: not with compressed rows or indexes of words."""

    @classmethod
    def of(cls, server: str, options: Collection[str] = ()) -> "Rules":
        """The rules of a server that is called so, such as `MariaDB 10.11.6`, for a table with options."""
        found = _VERSION.search(server)
        if found is None:
            return cls(at_once=not options)
        major, minor, patch = (int(part or 0) for part in found.groups())
        return cls("mariadb" in server.lower(), (major, minor, patch), not options)

    @property
    def rename_column(self) -> Algorithm:
        """RENAME COLUMN, alone or in a CHANGE."""
        return self._since(28, Algorithm.NOCOPY)

    @property
    def add_column(self) -> Algorithm:
        """ADD COLUMN."""
        return Algorithm.INSTANT if self.at_once else Algorithm.REBUILD

    @property
    def drop_column(self) -> Algorithm:
        """DROP COLUMN."""
        return max(self.add_column, self._since(29, Algorithm.REBUILD))

    @property
    def rename_key(self) -> Algorithm:
        """RENAME KEY."""
        return Algorithm.INSTANT if self.is_mariadb else Algorithm.NOCOPY

    def retype(self, before: ColumnType, after: ColumnType) -> Algorithm:
        """Another type in place of this one: only a longer varchar may be nothing but another number."""
        if before.length is None or after.length is None or before.length > after.length:
            return Algorithm.COPY
        least = before.length * _PER_CHARACTER
        grows = least <= _SHORT < after.length * _PER_CHARACTER
        if grows and not (self.is_mariadb and least <= _SHORTEST):
            return Algorithm.COPY
        return Algorithm.INSTANT if self.is_mariadb else Algorithm.NOCOPY

    def combined(self, parts: Sequence[Part]) -> Algorithm:
        """What one ALTER TABLE of these parts does. A column comes or goes at once, but not with new indexes:
        beside them the table is made anew.
        """
        algorithm = max((part.algorithm for part in parts), default=Algorithm.INSTANT)
        moves = any(part.kind == "column" for part in parts)
        indexes = any(part.kind == "index" for part in parts)
        others = algorithm >= Algorithm.NOCOPY and not self.is_mariadb
        return max(algorithm, Algorithm.REBUILD) if moves and (indexes or others) else algorithm

    def _since(self, patch: int, older: Algorithm) -> Algorithm:
        is_instant = self.is_mariadb or self.version >= (8, 0, patch)
        return Algorithm.INSTANT if is_instant else older

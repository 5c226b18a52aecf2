"""What is to be done to a table, as values: statements with what they cost, and what must hold before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NewType

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.difference import Difference
from services.etl.tables.physical import Physical, Sight, Size
from shared.errors import Fault, Loc

Risk = Literal["safe", "locks", "rewrites", "destroys"]
"""safe: nothing waits; locks: readers or writers wait; rewrites: for as long as the table is large; destroys:
data goes."""

Lock = Literal["none", "brief", "writes", "all"]
"""Who waits while a statement runs: nobody, all for a moment, those who write, or all."""

Effort = Literal["none", "scan", "rewrite"]
"""What a statement's time grows with: nothing, reading the table, or writing it anew."""

Sql = NewType("Sql", str)
"""Text made of our own words, quoted identifiers and quoted literals, and of nothing else."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, what it may cost, and why it is there.

    `alone`: it can't be in a transaction with others; `own`: it keeps our own books and isn't shown.
    """

    sql: Sql
    risk: Risk
    reason: str
    lock: Lock = "brief"
    effort: Effort = "none"
    alone: bool = False
    own: bool = False


def noting(sql: Sql) -> Statement:
    """A statement that keeps our own books: nobody waits for it, and it isn't shown."""
    return Statement(sql, "safe", "Our own note about the table.", "none", own=True)


@dataclass(frozen=True, slots=True)
class Check:
    """Rows that stand against a change; `loc` is a place of the definition, below the body.

    `count` answers how many there are, `samples` up to five of their values as texts. `message` says what
    is wrong with them, with the place {rows} for "1 row has" or "2 rows have".
    """

    loc: Loc
    code: str
    message: str
    count: Sql
    samples: Sql | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to."""

    check: Check
    rows: int
    samples: tuple[str, ...] = ()

    @property
    def fault(self) -> Fault:
        """The finding as a fault at its place."""
        have = "1 row has" if self.rows == 1 else f"{self.rows} rows have"
        return Fault(self.check.loc, self.check.code, self.check.message.format(rows=have))


def _accept(_: Sight) -> None:
    """Whatever came of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """Statements in order, the checks that must find no row before, and what can't be done at all.

    `verify` looks at the table after the statements and raises to have them undone.
    """

    statements: tuple[Statement, ...] = ()
    checks: tuple[Check, ...] = ()
    faults: tuple[Fault, ...] = ()
    verify: Callable[[Sight], None] = _accept


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table that is to become another: where and what it is, what it is to be, and what differs.

    `before` is the physical table as a definition: its names are those that are there now. In `difference`
    a column whose values can't be cast is dropped and added, with its keys. `server` is what the target has
    said of itself.
    """

    found: Location
    wanted: Location
    physical: Physical
    before: TableDefinition
    after: TableDefinition
    difference: Difference
    concurrently: bool = False
    size: Size | None = None
    server: str = ""

"""What is really there: a table as it was read from the target."""

from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from .definition import Location


@dataclass(frozen=True, slots=True)
class PhysicalColumn:
    """A column in the words of its database; `extra` names what we never make (identity, generated).

    `collation` and `check` are what others have declared with it, where another type would lose them.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    extra: str = ""
    comment: str = ""
    collation: str = ""
    check: str = ""

    @property
    def kept(self) -> str | None:
        """What fills the column and is none of our defaults: `identity` or `generated`."""
        word = self.extra.partition(" ")[0]
        return word if word in {"identity", "generated"} else None

    @property
    def spelled(self) -> str:
        """The type with what makes it another one than its name says, such as a collation."""
        return f"{self.type} {self.extra.removeprefix(self.kept or '').strip()}".strip()


@dataclass(frozen=True, slots=True)
class PhysicalIndex:
    """An index over plain columns; those over expressions or a part of the rows are not listed.

    `constraint`: it belongs to a constraint of the same name; not `valid`: it was never finished.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool
    constraint: bool = False
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """What others have made that uses columns of the table: an index that we can't make, a check, a trigger.

    `needs`: the database keeps it without the column, broken or by refusing, even if it uses no other one.
    `fires`: it runs with every UPDATE.
    """

    what: str
    columns: tuple[str, ...]
    needs: bool = False
    fires: bool = False


FOREIGN = "table of another data table"
"""The kind of a table under whose name another data table has left its mark, and this one hasn't."""


@dataclass(frozen=True, slots=True)
class Physical:
    """A relation of the target. `kind` is `table`, or what else has taken the name (`view`, ...).

    Where the database keeps the statement that made it, `declared` is that one, and `beside` are those of
    what hangs on the table and would go with it, such as triggers. Elsewhere `uses` says what needs which
    columns. `options` are ways to keep rows that decide what a change costs.
    """

    kind: str
    columns: tuple[PhysicalColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    indexes: tuple[PhysicalIndex, ...] = ()
    comment: str = ""
    primary_key_name: str = ""
    declared: str = ""
    beside: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    options: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a table is: rows, and bytes with its indexes. Not `exact`: the rows are an estimate."""

    rows: int
    bytes: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a data table is meant to lie, and the names under which its physical table may lie still.

    `names` are of the same schema: of the last publish, of one that has begun, and last the wanted one.
    """

    table_id: UUID
    location: Location
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """The note that a publish leaves in the target: in the transaction of its DDL, or right after it.

    `settled` is for a publish that has only begun: the columns have the names of its revision by now.
    """

    table_id: UUID
    revision: int
    fingerprint: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark as it lies in the target; `exists`: there is a table of that name."""

    table_id: UUID
    location: Location
    revision: int
    fingerprint: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the target: the relation of the data table, and the mark of that data table.

    `names` are those that new keys can't have, in lower case, where they share a space with tables and are
    known; `begun` is what a publish has noted before its DDL, where that isn't one with the mark; `name` is
    where the relation was found, and `taken` the kind of another one that has the wanted name meanwhile.
    `server` says what answers, for the dialect. The plan's hash depends on the relation, where it is, and the
    mark.
    """

    physical: Physical | None
    mark: Mark | None
    names: frozenset[str] = field(default=frozenset(), compare=False)
    begun: Mark | None = None
    name: str | None = None
    taken: str | None = None
    size: Size | None = field(default=None, compare=False)
    server: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "physical": self.physical.to_json() if self.physical else None,
            "name": self.name,
            "taken": self.taken,
            "mark": [str(self.mark.table_id), self.mark.revision, self.mark.fingerprint]
            if self.mark
            else None,
        }

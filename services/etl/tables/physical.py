"""What is really there: a table as it was read from the target."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self
from uuid import UUID

from .definition import TableDefinition


@dataclass(frozen=True, slots=True)
class PhysicalColumn:
    """A column in the words of its database; `extra` names what we never make (identity, generated)."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    extra: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class PhysicalIndex:
    """An index over plain columns; those over expressions or a part of the rows are not listed."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class Physical:
    """A relation of the target. `kind` is `table`, or what else has taken the name (`view`, ...)."""

    kind: str
    columns: tuple[PhysicalColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    indexes: tuple[PhysicalIndex, ...] = ()
    comment: str = ""

    def has_comments_of(self, definition: TableDefinition) -> bool:
        """Whether the table and its columns have exactly these comments."""
        wanted = {column.name: column.comment for column in definition.columns}
        found = {column.name: column.comment for column in self.columns}
        return (self.comment, found) == (definition.comment, wanted)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From what `to_json` made."""
        return cls(
            kind=data["kind"],
            columns=tuple(PhysicalColumn(**column) for column in data["columns"]),
            primary_key=tuple(data["primary_key"]),
            indexes=tuple(
                PhysicalIndex(index["name"], tuple(index["columns"]), index["unique"])
                for index in data["indexes"]
            ),
            comment=data["comment"],
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """The note that a publish leaves in the target: in the transaction of its DDL, or right after it."""

    table_id: UUID
    revision: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the target: the relation of the data table's name, and the mark of that data table.

    `names` are those that new keys can't have, in lower case, where they share a space with tables and are
    known; `begun` is what a publish has noted before its DDL, where that isn't one with the mark. The plan's
    hash doesn't depend on them.
    """

    physical: Physical | None
    mark: Mark | None
    names: frozenset[str] = field(default=frozenset(), compare=False)
    begun: Mark | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "physical": self.physical.to_json() if self.physical else None,
            "mark": [str(self.mark.table_id), self.mark.revision, self.mark.fingerprint]
            if self.mark
            else None,
        }

"""How two definitions of a table differ. Pure.

Columns are the same if their ids are, so that a rename is one; keys are the same if they are of one kind over
the same columns. The order of columns is how they are shown, and isn't compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from .definition import ColumnDefinition, TableDefinition

KeyKind = Literal["primary", "unique", "index"]
SameType = Callable[[ColumnDefinition, ColumnDefinition], bool]
"""Whether a column of the first definition is of the type that the second wants."""

_WORDS: dict[KeyKind, str] = {"primary": "primary key", "unique": "unique key", "index": "index"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key or index over columns, by their names in the definition that it is from."""

    kind: KeyKind
    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]} over ({', '.join(self.columns)})"


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """A column that is in both; `place` is its index among the columns of the second."""

    before: ColumnDefinition
    after: ColumnDefinition
    place: int
    retyped: bool

    @property
    def renamed(self) -> bool:
        """Whether the name differs."""
        return self.before.name != self.after.name

    @property
    def renulled(self) -> bool:
        """Whether it is nullable in one of them only."""
        return self.before.nullable != self.after.nullable

    @property
    def redefaulted(self) -> bool:
        """Whether the default differs."""
        return self.before.default != self.after.default

    @property
    def recommented(self) -> bool:
        """Whether the comment differs."""
        return self.before.comment != self.after.comment

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return self.renamed or self.retyped or self.renulled or self.redefaulted or self.recommented

    def sentences(self) -> Iterator[str]:
        """What differs, said of the second."""
        name = self.after.name
        if self.renamed:
            yield f"the column {self.before.name!r} is called {name!r}"
        if self.retyped:
            yield f"the column {name!r} is {typed(self.after)}, not {typed(self.before)}"
        if self.renulled:
            yield f"the column {name!r} is {'nullable' if self.after.nullable else 'not null'}"
        if self.redefaulted:
            yield f"the column {name!r} has {_default(self.after)}, not {_default(self.before)}"
        if self.recommented:
            yield f"the column {name!r} has another comment"


@dataclass(frozen=True, slots=True)
class Difference:
    """All that leads from one definition to another; `kept` has every column that both have."""

    added: tuple[ColumnDefinition, ...] = ()
    dropped: tuple[ColumnDefinition, ...] = ()
    kept: tuple[ColumnPair, ...] = ()
    keys_added: tuple[Key, ...] = ()
    keys_dropped: tuple[Key, ...] = ()
    keys_renamed: tuple[tuple[Key, Key], ...] = ()
    comment: tuple[str, str] | None = None
    renamed: tuple[str, str] | None = None

    @property
    def changed(self) -> tuple[ColumnPair, ...]:
        """The columns of both that differ."""
        return tuple(pair for pair in self.kept if pair.changed)

    @property
    def empty(self) -> bool:
        """Whether there is none."""
        return self == Difference(kept=self.kept) and not self.changed

    @property
    def material(self) -> "Difference":
        """Without comments, which change nothing for a run."""
        kept = tuple(
            replace(pair, after=pair.after.model_copy(update={"comment": pair.before.comment}))
            for pair in self.kept
        )
        return replace(self, kept=kept, comment=None)

    def sentences(self) -> list[str]:
        """What differs, said of the second definition."""
        return [*self._of_table(), *self._of_columns(), *self._of_keys()]

    def _of_table(self) -> Iterator[str]:
        if self.renamed:
            yield f"the table {self.renamed[0]!r} is called {self.renamed[1]!r}"
        if self.comment:
            yield "the table has another comment"

    def _of_columns(self) -> Iterator[str]:
        for column in self.added:
            yield f"the column {column.name!r} is new"
        for column in self.dropped:
            yield f"the column {column.name!r} is missing"
        for pair in self.kept:
            yield from pair.sentences()

    def _of_keys(self) -> Iterator[str]:
        for key in self.keys_added:
            yield f"the {key} is new"
        for key in self.keys_dropped:
            yield f"the {key} is missing"
        for before, after in self.keys_renamed:
            yield f"the {_WORDS[after.kind]} {before.name!r} is called {after.name!r}"


def typed(column: ColumnDefinition) -> str:
    """The column's type in words."""
    return column.native or str(column.type)


def same_type(before: ColumnDefinition, after: ColumnDefinition) -> bool:
    """Whether two columns are meant to have the same type."""
    return (before.type, before.native) == (after.type, after.native)


def keys_of(definition: TableDefinition) -> list[Key]:
    """All keys and indexes of a definition; a primary key has no name of its own."""
    keys = [Key("unique", key.name, tuple(key.columns)) for key in definition.unique_keys]
    keys += [Key("index", key.name, tuple(key.columns)) for key in definition.indexes]
    primary = [Key("primary", "", tuple(definition.primary_key))] if definition.primary_key else []
    return [*primary, *keys]


def difference(
    before: TableDefinition,
    after: TableDefinition,
    *,
    same_type: SameType = same_type,
    names: tuple[str, str] | None = None,
) -> Difference:
    """What leads from `before` to `after`; `names` are those of the table in both."""
    known = {column.id: column for column in before.columns}
    wanted = {column.id for column in after.columns}
    pairs = [
        ColumnPair(known[column.id], column, place, not same_type(known[column.id], column))
        for place, column in enumerate(after.columns)
        if column.id in known
    ]
    added, dropped, renamed = _keys(before, after)
    return Difference(
        added=tuple(column for column in after.columns if column.id not in known),
        dropped=tuple(column for column in before.columns if column.id not in wanted),
        kept=tuple(pairs),
        keys_added=added,
        keys_dropped=dropped,
        keys_renamed=renamed,
        comment=None if before.comment == after.comment else (before.comment, after.comment),
        renamed=names if names and names[0] != names[1] else None,
    )


def remade(
    found: Difference,
    before: TableDefinition,
    after: TableDefinition,
    castable: Callable[[ColumnPair], bool],
) -> Difference:
    """The same with columns whose type can't be cast dropped and added, and all keys over them, too."""
    lost = [pair for pair in found.kept if pair.retyped and not castable(pair)]
    if not lost:
        return found
    ids = {pair.after.id for pair in lost}
    gone = {pair.before.name for pair in lost}
    come = {pair.after.name for pair in lost}
    renewed = [key for key in keys_of(before) if gone & set(key.columns)]
    anew = [key for key in keys_of(after) if come & set(key.columns)]
    return replace(
        found,
        added=(*found.added, *(pair.after for pair in lost)),
        dropped=(*found.dropped, *(pair.before for pair in lost)),
        kept=tuple(pair for pair in found.kept if pair.after.id not in ids),
        keys_added=tuple(dict.fromkeys([*found.keys_added, *anew])),
        keys_dropped=tuple(dict.fromkeys([*found.keys_dropped, *renewed])),
        keys_renamed=tuple(one for one in found.keys_renamed if one[1] not in anew),
    )


def _keys(
    before: TableDefinition, after: TableDefinition
) -> tuple[tuple[Key, ...], tuple[Key, ...], tuple[tuple[Key, Key], ...]]:
    """Those that are added, dropped and renamed. One that has its name still isn't taken for another."""
    old, new = _identified(before), _identified(after)
    same = {(identity, key.name) for identity, key in old} & {(identity, key.name) for identity, key in new}
    old = [(identity, key) for identity, key in old if (identity, key.name) not in same]
    new = [(identity, key) for identity, key in new if (identity, key.name) not in same]
    renamed: list[tuple[Key, Key]] = []
    added: list[Key] = []
    for identity, key in new:
        twin = next((one for one in old if one[0] == identity), None)
        if twin is None:
            added.append(key)
        else:
            old.remove(twin)
            renamed.append((twin[1], key))
    return tuple(added), tuple(key for _, key in old), tuple(renamed)


def _identified(definition: TableDefinition) -> list[tuple[tuple[KeyKind, tuple[UUID, ...]], Key]]:
    ids = {column.name: column.id for column in definition.columns}
    return [((key.kind, tuple(ids[name] for name in key.columns)), key) for key in keys_of(definition)]


def _default(column: ColumnDefinition) -> str:
    default = column.default
    if default is None:
        return "no default"
    if default.literal is not None:
        return f"the default {default.literal!r}"
    return f"the default {default.function or default.kept}"

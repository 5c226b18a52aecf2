"""From one configuration to another: everything that people change about a table, alone and all at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.dialects import Dialect
from services.etl.tables.dialects.casts import castable

from .definitions import TYPES, Draw, comments, fits_a_key, new_column, new_default, new_key, new_name
from .values import Unfit, read, spelled


@dataclass
class Draft:
    """A table that is being edited; `spare` are names that were used before and may be used again."""

    dialect: Dialect
    name: str
    columns: list[ColumnDefinition]
    primary_key: list[str]
    keys: list[list[KeyDefinition]]
    comment: str
    spare: list[str] = field(default_factory=list)

    def set(self, place: int, **changes: object) -> None:
        """Change a column; keys follow its name."""
        column = self.columns[place]
        self.columns[place] = column.model_copy(update=changes)

    def renamed(self, mapping: Mapping[str, str]) -> None:
        """Give columns other names, at once, so that they may swap them."""
        self.columns = [
            one.model_copy(update={"name": mapping.get(one.name, one.name)}) for one in self.columns
        ]
        self.primary_key = [mapping.get(name, name) for name in self.primary_key]
        for kind, keys in enumerate(self.keys):
            self.keys[kind] = [
                KeyDefinition(name=key.name, columns=[mapping.get(name, name) for name in key.columns])
                for key in keys
            ]

    @property
    def taken(self) -> list[str]:
        """The names of the table and its keys, which share a space on some databases."""
        return [self.name, *(key.name for keys in self.keys for key in keys)]

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def free(self, draw: Draw, taken: list[str]) -> str:
        """A new name, or one that was used before."""
        used = [name for name in self.spare if name not in taken]
        if used and draw(st.booleans()):
            return str(draw(st.sampled_from(used)))
        return new_name(draw, self.dialect, taken)

    def finished(self) -> TableDefinition:
        """The definition, with what an edit has left behind put in order."""
        known = {column.name: column for column in self.columns}
        primary = [name for name in self.primary_key if name in known and fits_a_key(known[name])]
        columns = [
            one.model_copy(update={"nullable": one.nullable and one.name not in primary})
            for one in self.columns
        ]
        keys = [
            [key for key in keys if all(name in known and fits_a_key(known[name]) for name in key.columns)]
            for keys in self.keys
        ]
        return TableDefinition(
            columns=columns,
            primary_key=primary,
            unique_keys=keys[0],
            indexes=keys[1],
            comment=self.comment,
        )


def _rename_table(draw: Draw, draft: Draft) -> None:
    draft.name = draft.free(draw, draft.taken)


def _rename_column(draw: Draw, draft: Draft) -> None:
    before = draw(st.sampled_from(draft.column_names))
    draft.renamed({before: new_name(draw, draft.dialect, draft.column_names)})
    draft.spare.append(before)


def _shuffle_names(draw: Draw, draft: Draft) -> None:
    """Names go around among some columns."""
    chosen = draw(st.lists(st.sampled_from(draft.column_names), min_size=1, max_size=4, unique=True))
    draft.renamed(dict(zip(chosen, [*chosen[1:], chosen[0]], strict=True)))


def _retype(draw: Draw, draft: Draft) -> None:
    """Give some columns other types, most of them ones that their values can be cast to."""
    places = range(len(draft.columns))
    for place in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)):
        _retyped(draw, draft, place)


def _retyped(draw: Draw, draft: Draft, place: int) -> None:
    before = draft.columns[place]
    others = [kind for kind in TYPES if kind != before.type]
    near = [kind for kind in others if before.native is None and castable(before.type, kind)]
    kind = draw(st.sampled_from(near if near and draw(st.integers(0, 5)) < 5 else others))
    default = before.default
    if default is not None:
        default = _refitted(default, before, kind) or new_default(draw, kind, draft.dialect)
    draft.set(place, type=kind, native=None, default=default)


def _refitted(default: Default, before: ColumnDefinition, kind: ColumnType) -> Default | None:
    """The same default, as editing spells it for the new type; None if that has no such value."""
    if default.literal is None or before.native is not None:
        return None
    try:
        return Default(literal=spelled(kind, read(kind, default.literal)))
    except Unfit:
        return None


def _renull(draw: Draw, draft: Draft) -> None:
    place = draw(st.integers(0, len(draft.columns) - 1))
    draft.set(place, nullable=not draft.columns[place].nullable)


def _redefault(draw: Draw, draft: Draft) -> None:
    place = draw(st.integers(0, len(draft.columns) - 1))
    column = draft.columns[place]
    if column.native is None:
        draft.set(place, default=new_default(draw, column.type, draft.dialect))


def _add(draw: Draw, draft: Draft) -> None:
    column = new_column(draw, draft.dialect, draft.column_names)
    spare = [name for name in draft.spare if name not in draft.column_names]
    if spare and draw(st.booleans()):
        column = column.model_copy(update={"name": draw(st.sampled_from(spare))})
    draft.columns.insert(draw(st.integers(0, len(draft.columns))), column)


def _drop(draw: Draw, draft: Draft) -> None:
    if len(draft.columns) > 1:
        gone = draft.columns.pop(draw(st.integers(0, len(draft.columns) - 1)))
        draft.spare.append(gone.name)


def _comment(draw: Draw, draft: Draft) -> None:
    place = draw(st.integers(-1, len(draft.columns) - 1))
    if place < 0:
        draft.comment = draw(comments())
    else:
        draft.set(place, comment=draw(comments()))


def _primary_key(draw: Draw, draft: Draft) -> None:
    fit = [column.name for column in draft.columns if fits_a_key(column)]
    draft.primary_key = draw(st.lists(st.sampled_from(fit), max_size=2, unique=True)) if fit else []


def _add_key(draw: Draw, draft: Draft) -> None:
    key = new_key(draw, draft.dialect, draft.columns, draft.taken)
    if key is not None:
        spare = [name for name in draft.spare if name not in draft.taken]
        if spare and draw(st.booleans()):
            key = key.model_copy(update={"name": draw(st.sampled_from(spare))})
        draft.keys[draw(st.integers(0, 1))].append(key)


def _change_key(draw: Draw, draft: Draft) -> None:
    """Drop a key, rename it, make it unique or not, or give it other columns."""
    places = [(kind, at) for kind in (0, 1) for at in range(len(draft.keys[kind]))]
    if not places:
        return
    kind, at = draw(st.sampled_from(places))
    key = draft.keys[kind].pop(at)
    what = draw(st.sampled_from(["drop", "rename", "kind", "columns", "reverse"]))
    if what == "rename":
        draft.keys[kind].append(key.model_copy(update={"name": draft.free(draw, [*draft.taken, key.name])}))
    elif what == "kind":
        draft.keys[1 - kind].append(key)
    elif what == "columns" and (other := new_key(draw, draft.dialect, draft.columns, draft.taken)):
        draft.keys[kind].append(KeyDefinition(name=key.name, columns=other.columns))
    elif what == "reverse":
        draft.keys[kind].append(key.model_copy(update={"columns": key.columns[::-1]}))
    draft.spare.append(key.name)


def _swap_key_names(draw: Draw, draft: Draft) -> None:
    everywhere = [key for keys in draft.keys for key in keys]
    if len(everywhere) > 1:
        one, other = everywhere[0].name, everywhere[1].name
        swapped = {one: other, other: one}
        for kind, keys in enumerate(draft.keys):
            draft.keys[kind] = [
                key.model_copy(update={"name": swapped.get(key.name, key.name)}) for key in keys
            ]


def _reorder(draw: Draw, draft: Draft) -> None:
    draft.columns = draw(st.permutations(draft.columns))


EDITS: Final[tuple[Callable[[Draw, Draft], None], ...]] = (
    *(_rename_table, _rename_column, _shuffle_names, _renull, _redefault, _add, _drop, _comment, _reorder),
    *(_retype, _retype, _retype, _retype, _primary_key, _add_key, _add_key, _change_key, _swap_key_names),
)


def edited(
    draw: Draw, dialect: Dialect, location: Location, before: TableDefinition
) -> tuple[Location, TableDefinition]:
    """The table after some edits; whether it is valid is for the caller to see."""
    draft = Draft(
        dialect,
        location.name,
        list(before.columns),
        list(before.primary_key),
        [list(before.unique_keys), list(before.indexes)],
        before.comment,
        spare=[location.name],
    )
    count = draw(st.sampled_from([5, 6, 4, 8, 10, 3, 2, 1]))
    for edit in draw(st.permutations(EDITS))[:count]:
        edit(draw, draft)
    return Location(location.schema, draft.name), draft.finished()

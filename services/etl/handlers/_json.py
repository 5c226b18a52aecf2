"""JSON in columns, row by row: Arrow has no eye for it.

Trees are let go as soon as their cells are spelled: a batch of them kept makes Python's collector of cycles
look through all of the process again and again, which took ten times as long as reading them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from services.etl.columns import ColumnType
from services.etl.pipeline import json_paths
from services.etl.pipeline.casting import BadCell, Cast, blank
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import JsonPath
from services.etl.pipeline.text_casting import from_text

_FORM: Final = TextForm(true_tokens=("true",), false_tokens=("false",))
Spell = Callable[[Any], str | None]


@dataclass(slots=True)
class Cells:
    """The cells of one column as texts; which of them are objects or arrays, and which weren't there."""

    texts: list[str | None] = field(default_factory=list)
    nested: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)

    def add(self, value: Any, spell: Spell) -> None:
        """Add a value as `loads` gives it, or MISSING."""
        if value is json_paths.MISSING:
            self.missing.append(len(self.texts))
            value = None
        elif isinstance(value, dict | list):
            self.nested.append(len(self.texts))
        self.texts.append(spell(value))


def spelling(target: ColumnType) -> Spell:
    """How a value is spelled in a column of a type."""
    return _as_json if target.kind == "json" else json_paths.spelled


def _as_json(value: Any) -> str | None:
    return None if value is None else json_paths.dumps(value)


def flattened(array: Any, fields: Sequence[tuple[JsonPath, ColumnType]]) -> tuple[list[Cells], list[int]]:
    """What lies at each path, in the rows that are JSON or NULL; and the rows that are neither."""
    found = [(Cells(), path, spelling(kind)) for path, kind in fields]
    bad = list[int]()
    for row, text in enumerate(array.to_pylist()):
        if text is None:
            for cells, _, spell in found:
                cells.add(None, spell)
            continue
        try:
            tree = json_paths.loads(text)
        except ValueError:
            bad.append(row)
            continue
        for cells, path, spell in found:
            cells.add(json_paths.found(path, tree), spell)
    return [cells for cells, _, _ in found], bad


def not_json(array: Any, rows: Sequence[int], index: Any, column: str) -> Mapping[int, RejectedRow]:
    """The rows to reject because they hold no JSON, by their places."""
    return {
        row: RejectedRow(int(index[row]), column, array[row].as_py(), "json", "not_json", "is not JSON")
        for row in rows
    }


def cast(cells: Cells, target: ColumnType) -> Cast:
    """The cells as a column of a type; what doesn't fit is bad."""
    array = pa.array(cells.texts, pa.string())
    if target.kind == "json":
        return Cast(array)
    if target.is_text or not cells.nested:
        return from_text(array, target, _FORM)
    made = from_text(blank(array, cells.nested), target, _FORM)
    reason = f"is an object or an array, which is no {target}"
    made.bad += [BadCell(row, cells.texts[row], "nested", reason) for row in cells.nested]
    return made

"""The rows after a step beside those before it: which are new, which are gone, which cells have changed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from services.etl.columns import TEXT
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import between, display
from services.etl.pipeline.job import StepCounts
from services.etl.previews.pipeline import GoneRow, PreviewedRow, WhyGone
from services.etl.previews.staged import Seen

SHOWN: Final = 200
"""Characters of a cell that are shown."""

_CANDIDATES: Final = 20
"""Rows of one record that are compared with a row to find where it has come from."""

Cells = Mapping[str, list[str | None]]


class Stage:
    """The first rows after a stage as text."""

    def __init__(self, seen: Seen, *, most: int) -> None:
        table = seen.table()
        self.cells: Cells = {name: _texts(table.column(name)) for name in table.column_names}
        self.records: list[int] = seen.all_records()[: table.num_rows].tolist()
        self.all_records = set(seen.all_records().tolist())
        self.shown = min(most, len(self.records))

    def rows(self, before: "Stage | None", *, room: int) -> list[PreviewedRow]:
        """Those of the rows that are shown, in at most `room` bytes of text."""
        rows = []
        origins = before.origins_of(self) if before else [None] * self.shown
        for at in range(self.shown):
            origin = origins[at]
            room -= len(orjson.dumps([values[at] for values in self.cells.values()]))
            if room < 0:
                break
            rows.append(
                PreviewedRow(
                    record=self.records[at],
                    cells=[_shortened(values[at]) for values in self.cells.values()],
                    before=origin if before and origin is not None and origin < before.shown else None,
                    changed=before.changed(self, origin, at) if before and origin is not None else [],
                )
            )
        self.shown = len(rows)
        return rows

    def gone(self, after: "Stage", counts: StepCounts, rejected: set[int]) -> list[GoneRow]:
        """Those of the rows shown here that are not there any more."""
        kept = set(self.origins_of(after))
        whole = len(after.records) == counts.rows_out
        return [
            GoneRow(before=at, why="rejected" if record in rejected else _only_reason(counts))
            for at, record in enumerate(self.records[: self.shown])
            if at not in kept and (whole or record not in after.all_records)
        ]

    def origins_of(self, after: "Stage") -> list[int | None]:
        """For each row after the step, the row here that it was made of, as far as that is known."""
        places = defaultdict[int, list[int]](list)
        for at, record in enumerate(self.records):
            places[record].append(at)
        fresh = {record: list(found) for record, found in places.items() if len(found) > 1}
        return [
            self._origin(places.get(record, ()), fresh, after, at) for at, record in enumerate(after.records)
        ]

    def changed(self, after: "Stage", origin: int, at: int) -> list[str]:
        """The columns whose value is another one in the row after the step."""
        both = (name for name in after.cells if name in self.cells)
        return [name for name in both if self.cells[name][origin] != after.cells[name][at]]

    def _origin(
        self, places: Sequence[int], fresh: dict[int, list[int]], after: "Stage", at: int
    ) -> int | None:
        """Of several rows of one record it is the one most like the row that no other has come of yet."""
        if len(places) < 2:  # noqa: PLR2004 - one or none
            return places[0] if places else None
        left = fresh[after.records[at]] or list(places)
        origin = min(left[:_CANDIDATES], key=lambda place: len(self.changed(after, place, at)))
        left.remove(origin)
        return origin


def _texts(column: Any) -> list[str | None]:
    """A column as text, exactly as a text column would hold it."""
    whole = column.combine_chunks()
    if whole.type == arrow_type(TEXT):
        return list(whole.to_pylist())
    cast = between(whole, TEXT)
    return [display(cell) for cell in whole] if cast.bad else list(cast.array.to_pylist())


def _only_reason(counts: StepCounts) -> WhyGone | None:
    reasons: dict[WhyGone, int] = {
        "filtered": counts.filtered,
        "deduplicated": counts.deduplicated,
        "merged": counts.merged,
    }
    given = [reason for reason, rows in reasons.items() if rows]
    return given[0] if len(given) == 1 else None


def _shortened(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"

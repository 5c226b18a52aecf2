"""However a table is cut into batches, the steps that work on rows make the same of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import Columns
from services.etl.handlers._base import Handler
from services.etl.loaders._base import Batch, Reading
from services.etl.loaders.csv import Csv
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import StepCounts
from services.etl.pipeline.registry import steps
from services.etl.pipeline.stages import Means, Stages
from services.etl.pipeline.tally import Tally
from services.etl.pipeline.validate import Built, walk
from tests.property.etl_data.random_steps import PARAMS, Named, made, pipelines
from tests.property.etl_data.typed_rows import batch_of, tables

NOW = datetime(2026, 7, 1, tzinfo=UTC)


class Cut(Reading):
    """A table in memory, cut before some of its rows."""

    def __init__(self, columns: Columns, rows: Sequence[dict[str, Any]], cuts: Sequence[int]) -> None:
        self._whole = batch_of(columns, rows)
        self._cuts = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})

    def __iter__(self) -> Iterator[Batch]:
        if len(self._cuts) == 1:
            yield self._batch(0, 0)
        for start, stop in zip(self._cuts, self._cuts[1:], strict=False):
            yield self._batch(start, stop)

    def _batch(self, start: int, stop: int) -> Batch:
        records = np.arange(start + 1, stop + 1, dtype=np.int64)
        return Batch(self._whole.slice(start, stop - start), records, records + 1, stop - start)


@dataclass
class Outcome:
    """What came of a table: rows, their records, what each step counted, and the rejected rows."""

    rows: list[dict[str, Any]]
    records: list[int]
    counts: list[StepCounts]
    rejects: list[Any]


def run(columns: Columns, chosen: Sequence[Named], reading: Reading) -> Outcome:
    handlers = [made(step) for step in chosen]
    walked = walk(columns, handlers, {})
    names = ["memory", *(handler.name for handler in handlers), "nowhere"]
    tally = Tally(names, Limits(max_rejects=10_000))
    built = Built(Csv.of(Csv.examples[0]), handlers, walked)
    rows, records = list[dict[str, Any]](), list[int]()
    for piece in Stages(built, reading, tally, Means(clock=lambda: NOW)).handled():
        assert piece.rows.schema == arrow_schema(walked[-1])
        assert [bool(line) for line in piece.lines] == [True] * len(piece.rows)
        check_nullability(walked[-1], piece.rows)
        rows += piece.rows.to_pylist()
        records += piece.records.tolist()
    rejects = [
        (row.step, row.record, row.line, row.column, row.code, row.value) for row in tally.fresh_rejects()
    ]
    return Outcome(rows, records, tally.steps, sorted(rejects, key=repr))


def check_nullability(columns: Columns, rows: Any) -> None:
    """A column that is announced as never NULL never is."""
    for column in columns:
        assert column.nullable or not rows.column(column.name).null_count, column.name


def test_all_steps_that_work_on_rows_take_part() -> None:
    on_rows = {name for name, kind in steps().handlers.items() if issubclass(kind, Handler)}
    assert set(PARAMS) == on_rows


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_chunks_give_what_the_whole_gives(data: st.DataObject) -> None:
    columns, rows = data.draw(tables())
    chosen = data.draw(pipelines(columns))
    cuts = data.draw(st.lists(st.integers(1, 8), max_size=4))
    whole = run(columns, chosen, Cut(columns, rows, []))
    assert run(columns, chosen, Cut(columns, rows, cuts)) == whole
    assert run(columns, chosen, Cut(columns, rows, range(len(rows)))) == whole


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_counts_add_up_from_step_to_step(data: st.DataObject) -> None:
    columns, rows = data.draw(tables())
    chosen = data.draw(pipelines(columns))
    found = run(columns, chosen, Cut(columns, rows, [3]))
    steps_counted = found.counts[:-1]
    assert [counts.rows_in for counts in steps_counted] == [
        len(rows),
        *(counts.rows_out for counts in steps_counted[:-1]),
    ]
    for counts in steps_counted:
        gone = counts.rejected + counts.filtered + counts.deduplicated + counts.merged
        assert counts.rows_in + counts.added == counts.rows_out + gone
    assert len(found.rows) == steps_counted[-1].rows_out
    assert len(found.rejects) == sum(counts.rejected for counts in steps_counted)
    assert found.records == sorted(found.records)
    if not any(made(step).multiplies for step in chosen):
        assert len(set(found.records)) == len(found.records)
        assert not set(found.records) & {row[1] for row in found.rejects}

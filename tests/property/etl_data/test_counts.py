"""However a run goes and wherever it breaks, every row is accounted for, and a failed one leaves none."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import Columns
from services.etl.loaders import _csv_reader
from services.etl.loaders.csv import Csv
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.errors import SourceChanged
from services.etl.pipeline.job import Counts, Job
from services.etl.pipeline.registry import steps
from services.etl.pipeline.validate import walk
from services.etl.runner import load
from services.etl.runner.messages import ChildMessage, Rejects, Succeeded
from shared.errors import PenstockError
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, SqliteTable, columns_of
from tests.property.etl_data.random_steps import Named, pipelines

TYPES = {"a": "int64", "b": "text", "c": "decimal(5,2)"}
BLOCK = 200
lines = st.one_of(
    st.tuples(
        st.integers(0, 30).map(str),
        st.sampled_from(["x", "y", '"two\nlines"', '""', ""]),
        st.sampled_from(["1.00", "-7", ""]),
    ).map(",".join),
    st.sampled_from(["many,x,1", "1,x,cheap", "1,x,1.005", "1", "1,x,1,more", "", ",,", "1,x\x00y,2"]),
)
BREAKS = [SourceChanged(reason="it broke off"), OSError("the disk"), RuntimeError("a mistake")]
whole_tables: st.SearchStrategy[list[Named]] = st.sampled_from(
    [
        [],
        [("sort_rows", {"by": [{"column": "a"}]})],
        [("deduplicate", {"columns": ["a"]})],
        [("deduplicate", {"columns": ["b"], "keep": "last"})],
        [("aggregate", {"group_by": ["b"], "aggregates": [{"function": "count", "into": "a"}]})],
    ]
)


@dataclass
class Told:
    """What a job says on its way; it is cancelled when it has said so much."""

    cancel_after: int | None = None
    rows: int = 0
    said: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> None:
        """Begin to hear, from inside the task of the job."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()

    def __call__(self, message: ChildMessage) -> None:
        with self.lock:
            self.said += 1
            if isinstance(message, Rejects):
                self.rows += len(message.rejects) + sum(kind.rows for kind in message.unkept)
            if self.said == self.cancel_after and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)


def run(job: Job, told: Told, scratch: Path) -> load.Ended:
    async def work() -> load.Ended:
        told.listen()
        return await load.run(job, policy=POLICY, tell=told, scratch=scratch)

    return asyncio.run(work())


def check(counts: Counts) -> None:
    """What holds of counts at any time."""
    first, *_ = counts.steps
    assert counts.read == first.rows_in
    for step in counts.steps:
        gone = step.rejected + step.filtered + step.deduplicated + step.merged
        assert step.rows_in + step.added == step.rows_out + gone
    for name in ("rejected", "filtered", "deduplicated", "merged", "added"):
        assert getattr(counts, name) == sum(getattr(step, name) for step in counts.steps)
    assert all(before.rows_out >= after.rows_in for before, after in pairwise(counts.steps))


def check_whole(counts: Counts, read: int) -> None:
    """What holds of the counts of a run that has succeeded."""
    assert counts.read == read
    gone = counts.rejected + counts.filtered + counts.deduplicated + counts.merged
    assert counts.read + counts.added == counts.written + gone
    assert counts.written == counts.inserted + counts.updated + counts.unchanged
    assert all(before.rows_out == after.rows_in for before, after in pairwise(counts.steps))


def breaking(after: int, error: Exception) -> Any:
    """A source of which so many blocks can be read."""
    whole = _csv_reader.CsvReading._parsed

    def parsed(self: Any) -> Iterator[Any]:
        for at, raw in enumerate(whole(self)):
            if at == after:
                raise error
            yield raw

    return patch.object(_csv_reader.CsvReading, "_parsed", parsed)


def fitting(chosen: Sequence[Named]) -> Columns | None:
    """The columns after the steps; None where they don't fit each other."""
    declared = [{"name": name, "type": kind} for name, kind in TYPES.items()]
    loader = Csv.of({"file_id": Csv.examples[0]["file_id"], "columns": declared})
    try:
        handlers = [steps().handlers[name].of(params) for name, params in chosen]
        return walk(loader.columns_out(), handlers, {})[-1]
    except PenstockError:
        return None


@dataclass
class Plan:
    """A run and what ends it: an error behind so many blocks, limits, a key, or somebody who cancels."""

    content: list[str]
    steps: Sequence[Named]
    columns: Columns
    limits: Limits
    blocks: int | None
    error: Exception
    has_key: bool
    cancel_after: int | None


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    on_rows: Sequence[Named] = draw(pipelines(Columns(columns_of(TYPES)), most=2))
    chosen = [*draw(whole_tables), *on_rows]
    columns = fitting(chosen)
    if columns is None or not len(columns):
        chosen, columns = [], Columns(columns_of(TYPES))
    return Plan(
        content=draw(st.lists(lines, max_size=60)),
        steps=chosen,
        columns=columns,
        limits=Limits(
            max_rejects=draw(st.sampled_from([0, 2, 10_000, 10_000])),
            max_reject_ratio=draw(st.sampled_from([None, 0.3])),
        ),
        blocks=draw(st.none() | st.integers(0, 4)),
        error=draw(st.sampled_from(BREAKS)),
        has_key=draw(st.booleans()),
        cancel_after=draw(st.none() | st.integers(1, 8)),
    )


def carried_out(plan: Plan, told: Told, folder: Path) -> tuple[load.Ended, int]:
    """How the run ended, and how many rows are in its table."""
    jobs = Jobs(SqliteTable(folder / "warehouse.db"), folder, TYPES)
    columns = list(plan.columns)
    asyncio.run(jobs.table.create(columns, key=plan.columns.names[:1] if plan.has_key else ()))
    content = "\n".join(["a,b,c", *plan.content, ""])
    taken = [{"step": name, "params": params} for name, params in plan.steps]
    job = jobs.job(content, steps=taken, limits=plan.limits, target=columns)
    with (
        patch.object(_csv_reader, "BLOCK_SIZE", BLOCK),
        patch.object(load, "PROGRESS_SECONDS", 0),
        breaking(-1 if plan.blocks is None else plan.blocks, plan.error),
    ):
        ended = run(job, told, folder)
    ((stored,),) = asyncio.run(jobs.table.rows(f"SELECT count(*) FROM {TABLE}"))
    return ended, stored


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans())
def test_every_row_is_accounted_for_whatever_breaks(plan: Plan) -> None:
    told = Told(plan.cancel_after)
    with TemporaryDirectory() as folder:
        ended, stored = carried_out(plan, told, Path(folder))
    outcome = ended.outcome
    assert not ended.tainted
    if outcome.counts is not None:
        check(outcome.counts)
        assert told.rows == outcome.counts.rejected
    if isinstance(outcome, Succeeded):
        check_whole(outcome.counts, read=len(plan.content))
        assert stored == outcome.counts.written
        assert outcome.counts.rejected <= plan.limits.max_rejects
    else:
        assert stored == 0

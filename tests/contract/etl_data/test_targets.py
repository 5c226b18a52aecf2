"""What every target must do between `prepare` and `commit`, tried in this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.etl.columns import Columns
from services.etl.destinations._target import Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.errors import FenceOutdated, TargetRefused
from services.etl.pipeline.job import Counts, Job
from services.etl.pipeline.targets import target_for, targets
from services.etl.runner import load
from services.etl.runner.messages import Succeeded
from shared.errors import PenstockError
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    MariaTable,
    PostgresTable,
    SqliteTable,
    columns_of,
)

HEADER = "id,name,price,sold\n"


@pytest.fixture(params=sorted(name for name, kind in targets().items() if kind.fills == "table"))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Jobs:
    """Jobs for a place in each kind of target."""
    if request.param == "sqlite":
        return Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    if request.param == "mysql":
        return Jobs(MariaTable(request.getfixturevalue("mariadb_database")), tmp_path)
    return Jobs(PostgresTable(request.getfixturevalue("postgres_database")), tmp_path)


@pytest.fixture
async def jobs(place: Jobs) -> Jobs:
    """Jobs whose table is there, empty."""
    await place.table.create(columns_of(place.types))
    return place


def target_of(job: Job) -> Target:
    kind = target_for(job.table.connection.connection.type)
    return kind(job, Columns(job.table.columns), Surroundings(POLICY))


async def write(target: Target, ids: Sequence[int]) -> Written:
    columns = target.columns

    async def encoded() -> AsyncIterator[Encoded]:
        for number in ids:
            rows = [{"id": number, "name": f"name {number}"}]
            yield target.encode(Rows(pa.RecordBatch.from_pylist(rows, schema=arrow_schema(columns)), columns))

    return await target.write(encoded())


async def ids(jobs: Jobs) -> list[Any]:
    return [row[0] for row in await jobs.table.rows(f"SELECT id FROM {TABLE} ORDER BY id")]


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_nothing_is_seen_before_the_commit(jobs: Jobs, mode: Any) -> None:
    target = target_of(jobs.job(HEADER, mode=mode))
    assert await target.prepare() is None
    assert (await write(target, [1, 2])).written == 2
    assert await ids(jobs) == []
    await target.commit(Counts(read=2))
    await target.abandon()
    assert await ids(jobs) == [1, 2]


async def test_an_abandoned_attempt_leaves_nothing_and_may_be_repeated(jobs: Jobs) -> None:
    job = jobs.job(HEADER)
    for _ in range(2):
        target = target_of(job)
        assert await target.prepare() is None
        await write(target, [1])
        await target.abandon()
        await target.abandon()
    assert await ids(jobs) == []
    target = target_of(job)
    assert await target.prepare() is None
    await write(target, [1])
    await target.commit(Counts())
    await target.abandon()
    assert await ids(jobs) == [1]


async def test_a_committed_run_is_found_with_its_counts(jobs: Jobs) -> None:
    job, counts = jobs.job(HEADER), Counts(read=7, written=7)
    target = target_of(job)
    await target.prepare()
    await target.commit(counts)
    await target.abandon()
    again = target_of(job.model_copy(update={"fence": job.fence + 1}))
    assert await again.prepare() == counts
    await again.abandon()
    assert await target_of(job).settle() == counts


async def test_a_fence_that_was_raised_meanwhile_stops_the_commit(jobs: Jobs) -> None:
    job = jobs.job(HEADER)
    target = target_of(job)
    await target.prepare()
    await write(target, [1])
    if jobs.table.sqlite_path:  # the file has one writer: only this session itself can
        target._connection.execute("UPDATE _penstock_fence SET fence = fence + 1")  # type: ignore[attr-defined]  # white box
    else:
        await jobs.table.execute("UPDATE _penstock_fence SET fence = fence + 1")
    with pytest.raises(FenceOutdated):
        await target.commit(Counts())
    await target.abandon()
    assert await ids(jobs) == []


async def test_a_raised_fence_stays_when_the_attempt_fails(jobs: Jobs) -> None:
    low, high = jobs.job(HEADER), jobs.job(HEADER)
    failing = target_of(high)
    await failing.prepare()
    await failing.abandon()
    late = target_of(low)
    with pytest.raises(FenceOutdated):
        await late.prepare()
    await late.abandon()


async def test_a_refused_row_rolls_everything_back(jobs: Jobs) -> None:
    target = target_of(jobs.job(HEADER))
    await target.prepare()
    with pytest.raises(TargetRefused):
        await write(target, [1, 2, 1])
    await target.abandon()
    assert await ids(jobs) == []


async def test_ledger_and_fence_are_made_where_they_are_missing(jobs: Jobs) -> None:
    target = target_of(jobs.job(HEADER))
    assert await target.settle() is None
    target = target_of(jobs.job(HEADER))
    await target.prepare()
    await target.commit(Counts())
    await target.abandon()
    assert await jobs.table.rows("SELECT count(*) FROM _penstock_ledger") == [(1,)]
    assert await jobs.table.rows("SELECT count(*) FROM _penstock_fence") == [(1,)]


async def test_the_cursor_of_a_stream_commits_with_the_rows_or_not_at_all(jobs: Jobs) -> None:
    async def attempt(cursor: str | None, *, commit: bool, stream: str = "task") -> str | None:
        target = target_of(jobs.job(HEADER, stream=stream))
        assert await target.prepare() is None
        found = await target.last_cursor()
        if commit:
            await target.commit(Counts(cursor=cursor))
        await target.abandon()
        return found

    assert await attempt("2026-01-31T12:00:00.000001Z", commit=True) is None
    assert await attempt("later", commit=False) == "2026-01-31T12:00:00.000001Z"
    assert await attempt(None, commit=True) == "2026-01-31T12:00:00.000001Z"
    assert await attempt("7", commit=True) == "2026-01-31T12:00:00.000001Z"
    assert await attempt("8", commit=True, stream="another") is None
    assert await attempt(None, commit=True) == "7"


REFUSING = {
    "sqlite": ["CREATE TRIGGER refuses BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "mysql": ["CREATE TRIGGER refuses BEFORE INSERT ON {} FOR EACH ROW SIGNAL SQLSTATE '45000'"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE SQLSTATE ''P0001''; END'",
        "CREATE TRIGGER refuses BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
"""How each engine is made to refuse rows of a table."""


@pytest.mark.parametrize("ledger", ["_penstock_ledger", "_penstock_cursor"])
@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_rows_that_can_not_be_noted_do_not_stay(jobs: Jobs, ledger: str, mode: Any) -> None:
    """They come in one commit with what says so: else they would come again with the next attempt."""
    first = target_of(jobs.job(HEADER, stream="orders"))
    await first.prepare()
    await write(first, [1])
    await first.commit(Counts(cursor="1"))
    await first.abandon()
    job = jobs.job(HEADER, stream="orders", mode=mode)
    for statement in REFUSING[job.table.connection.connection.type]:
        await jobs.table.execute(statement.format(ledger))
    target = target_of(job)
    await target.prepare()
    await write(target, [2])
    with pytest.raises(TargetRefused):
        await target.commit(Counts(cursor="2"))
    await target.abandon()
    assert await ids(jobs) == [1]
    settled = target_of(job)
    assert await settled.settle() is None


async def test_one_run_that_comes_four_times_at_once_is_applied_once(jobs: Jobs) -> None:
    job = jobs.job(f"{HEADER}1,a,,\n2,b,,\n")
    ended = await asyncio.gather(*(load.run(job, policy=POLICY, tell=_unheard) for _ in range(4)))
    applied = [one.outcome for one in ended if isinstance(one.outcome, Succeeded)]
    assert [outcome.adopted for outcome in applied].count(False) == 1
    assert await ids(jobs) == [1, 2]
    assert await jobs.table.rows("SELECT count(*) FROM _penstock_ledger") == [(1,)]


async def test_a_newer_run_does_not_wait_for_the_one_that_holds_the_table(jobs: Jobs) -> None:
    if jobs.table.sqlite_path:
        return  # whoever writes to a file is alone with it
    await jobs.table.execute(f"DROP TABLE {TABLE}")
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    older, newer = target_of(jobs.job(HEADER)), target_of(jobs.job(HEADER))
    await older.prepare()
    await write(older, [1])
    async with asyncio.timeout(4):  # less than a lock is waited for
        await newer.prepare()
        await write(newer, [1])
        await newer.commit(Counts())
    with pytest.raises(PenstockError):
        await older.commit(Counts())
    for target in (older, newer):
        await target.abandon()
    assert await ids(jobs) == [1]


def _unheard(_message: object) -> None:
    """Nobody listens."""

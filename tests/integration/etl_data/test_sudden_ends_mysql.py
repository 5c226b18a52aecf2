"""Attempts that die while a table of MySQL is replaced: whoever comes next finds out what has happened."""

from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest

from services.etl.columns import Columns
from services.etl.destinations._mysql_attempt import Attempt
from services.etl.destinations._target import Encoded, Rows, Surroundings
from services.etl.destinations.mysql import Mysql
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.job import Counts, Job
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, failed, succeeded
from tests.integration.etl_data.test_replace_mysql import HEADER, NEW, OLD, ids, tables

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]


async def written(job: Job) -> Mysql:
    """An attempt that has written its rows and is about to commit."""
    target = Mysql(job, Columns(job.table.columns), Surroundings(POLICY))
    assert await target.prepare() is None
    rows = [{"id": number, "name": "new"} for number in (7, 8)]
    batch = pa.RecordBatch.from_pylist(rows, schema=arrow_schema(target.columns))

    async def encoded() -> AsyncIterator[Encoded]:
        yield target.encode(Rows(batch, target.columns))

    assert (await target.write(encoded())).inserted == 2
    return target


async def dies(job: Job, step: str, *, after: bool = False) -> None:
    """An attempt whose session ends at a step of the swap, or right after it."""
    target, real = await written(job), getattr(Attempt, step)

    async def dead(attempt: Attempt, *facts: Any, **named: Any) -> None:
        if after:
            await real(attempt, *facts, **named)
        target._session._connection._abort()
        raise ConnectionError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Attempt, step, dead)
        with pytest.raises(ConnectionError):
            await target.commit(Counts(read=2, written=2, cursor="7"))
    await target.abandon()


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("step", ["note_swap", "why_undone", "finish_swap"])
@pytest.mark.parametrize("after", [True, False])
async def test_a_swap_is_found_or_was_none(
    in_mysql: Jobs, warm: Executor, *, step: str, after: bool, settled: bool
) -> None:
    happened = step != "note_swap"
    await succeeded(warm, in_mysql.job(OLD))
    job = in_mysql.job(NEW, mode="replace", stream="task")
    await dies(job, step, after=after)
    assert await ids(in_mysql) == ([7, 8] if happened else [1, 2])
    if settled:
        found = await warm.settle(job)
        assert (found is not None) is happened
        assert await tables(in_mysql) == {TABLE}
    again = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": job.fence + 1}))
    assert again.adopted is happened
    assert await ids(in_mysql) == ([7, 8] if happened else [2, 3, 4])
    assert await tables(in_mysql) == {TABLE}
    assert await in_mysql.table.rows("SELECT * FROM _penstock_swap") == []
    cursor = await in_mysql.table.rows("SELECT stream, `cursor` FROM _penstock_cursor")
    assert cursor == ([("task", "7")] if happened else [])


@pytest.mark.parametrize("settled", [True, False])
async def test_a_note_without_a_swap_means_nothing(in_mysql: Jobs, warm: Executor, *, settled: bool) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    job = in_mysql.job(NEW, mode="replace")
    target = await written(job)
    await target._attempt.note_swap(Counts(read=2, written=2))
    await target._session.commit()
    target._session._connection._abort()
    assert not settled or await warm.settle(job) is None
    again = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": job.fence + 1}))
    assert not again.adopted
    assert await ids(in_mysql) == [2, 3, 4]
    assert await in_mysql.table.rows("SELECT * FROM _penstock_swap") == []


async def test_another_run_notes_a_swap_before_it_puts_its_own_rows_there(
    in_mysql: Jobs, warm: Executor
) -> None:
    first = in_mysql.job(NEW, mode="replace")
    await dies(first, "finish_swap")
    await succeeded(warm, in_mysql.job(OLD, mode="replace"))
    late = await succeeded(warm, first.model_copy(update={"attempt": 2, "fence": first.fence + 9}))
    assert late.adopted
    assert await ids(in_mysql) == [1, 2]
    assert await tables(in_mysql) == {TABLE}


async def test_a_swap_that_the_server_refuses_to_record_is_in_doubt_and_recorded_later(
    in_mysql: Jobs, warm: Executor
) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    job = in_mysql.job(NEW, mode="replace")
    refusing = "CREATE TRIGGER refuses BEFORE INSERT ON _penstock_ledger FOR EACH ROW SIGNAL SQLSTATE '45000'"
    await in_mysql.table.execute(refusing)
    outcome = await failed(warm, job)
    assert (outcome.code, outcome.transient) == ("target_busy", True)
    assert await ids(in_mysql) == [2, 3, 4]
    await in_mysql.table.execute("DROP TRIGGER refuses")
    settled = await warm.settle(job)
    assert settled is not None
    assert settled.counts.inserted == 3
    assert await tables(in_mysql) == {TABLE}


async def test_leftovers_of_other_tables_are_left_alone(in_mysql: Jobs, warm: Executor) -> None:
    target = await written(in_mysql.job(NEW, mode="replace"))
    (stage,) = await tables(in_mysql) - {TABLE}
    target._session._connection._abort()
    other = in_mysql.job(OLD).model_copy(update={"table_key": "another"})
    await succeeded(warm, other)
    assert stage in await tables(in_mysql)
    await succeeded(warm, in_mysql.job(HEADER))
    assert await tables(in_mysql) == {TABLE}

"""Loading into SQLite and PostgreSQL: the same promises on both."""

from typing import Any

import pytest

from services.etl.pipeline.definition import Limits
from services.etl.runner.executor import Executor
from services.etl.runner.messages import Failed, Succeeded
from tests.integration.etl_data.jobs import TABLE, Jobs, columns_of, failed, run, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "id,name,price,sold\n"
TWO = HEADER + "1,bolt,0.10,2026-01-31T12:00:00+02:00\n2,,99999.99,\n"


async def test_append_adds_every_row_and_the_counts_add_up(goods: Jobs, warm: Executor) -> None:
    outcome = await succeeded(warm, goods.job(TWO))
    counts = outcome.counts
    assert (counts.read, counts.written, counts.inserted, counts.rejected) == (2, 2, 2, 0)
    assert counts.bytes_read == len(TWO)
    assert [(row[0], row[1]) for row in await goods.table.rows()] == [(1, "bolt"), (2, None)]


async def test_a_run_that_finds_its_ledger_row_adopts_it(goods: Jobs, warm: Executor) -> None:
    job = goods.job(TWO)
    first = await succeeded(warm, job)
    again = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": 2}))
    assert (first.adopted, again.adopted) == (False, True)
    assert again.counts == first.counts
    assert len(await goods.table.rows()) == 2


async def test_a_lower_fence_may_not_write(goods: Jobs, warm: Executor) -> None:
    old, new = goods.job(TWO), goods.job(HEADER + "7,x,1.00,\n")
    await succeeded(warm, new)
    outcome = await failed(warm, old)
    assert (outcome.code, outcome.transient) == ("fence_outdated", False)
    assert len(await goods.table.rows()) == 1


async def test_upsert_counts_inserted_updated_unchanged_and_doubled_rows(goods: Jobs, warm: Executor) -> None:
    await succeeded(warm, goods.job(HEADER + "1,a,1.00,\n2,b,2.00,\n3,c,3.00,\n"))
    content = HEADER + "2,b,2.00,\n3,new,3.00,\n4,x,4.00,\n4,y,4.50,\n"
    outcome = await succeeded(warm, goods.job(content, mode="upsert"))
    counts = outcome.counts
    assert (counts.read, counts.written, counts.deduplicated) == (4, 3, 1)
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 1, 1)
    rows = await goods.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id")
    assert rows == [(1, "a"), (2, "b"), (3, "new"), (4, "y")]


async def test_the_first_row_wins_when_the_step_says_so(goods: Jobs, warm: Executor) -> None:
    content = HEADER + "4,x,4.00,\n4,y,4.50,\n"
    await succeeded(warm, goods.job(content, mode="upsert", winner="first"))
    assert await goods.table.rows(f"SELECT name FROM {TABLE}") == [("x",)]


async def test_an_upsert_done_twice_changes_nothing(goods: Jobs, warm: Executor) -> None:
    await succeeded(warm, goods.job(TWO, mode="upsert"))
    outcome = await succeeded(warm, goods.job(TWO, mode="upsert"))
    assert (outcome.counts.inserted, outcome.counts.updated, outcome.counts.unchanged) == (0, 0, 2)


async def test_a_key_that_is_there_already_fails_an_append_and_leaves_the_table(
    goods: Jobs, warm: Executor
) -> None:
    await succeeded(warm, goods.job(TWO))
    outcome = await failed(warm, goods.job(HEADER + "3,new,1.00,\n2,again,1.00,\n"))
    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert "key" in outcome.message
    assert len(await goods.table.rows()) == 2


async def test_rows_beyond_the_limit_of_rejects_leave_the_table_untouched(
    goods: Jobs, warm: Executor
) -> None:
    outcome, heard = await run(warm, goods.job(HEADER + "1,a,1.00,\n2,b,cheap,\n"))
    assert isinstance(outcome, Failed)
    assert outcome.code == "too_many_rejects"
    assert "record 2 (line 3), column price: 'cheap' is not a number" in outcome.message
    assert [(reject.record, reject.code) for reject in heard.rejects] == [(2, "not_a_number")]
    assert await goods.table.rows() == []


async def test_rejects_within_the_limit_are_told_and_the_rest_is_loaded(goods: Jobs, warm: Executor) -> None:
    content = HEADER + '1,"two\nlines",1.00,\n2,b,1.005,\n,c,1.00,\nx,d\n4,d,1.00,2026-02-30\n'
    outcome, heard = await run(warm, goods.job(content, limits=Limits(max_rejects=4), target=columns_of(
        goods.types, required=["id"])))  # fmt: skip
    assert isinstance(outcome, Succeeded)
    assert (outcome.counts.read, outcome.counts.written, outcome.counts.rejected) == (5, 1, 4)
    found = [(reject.record, reject.line, reject.column, reject.code) for reject in heard.rejects]
    assert found == [
        (2, 4, "price", "too_precise"),
        (4, 6, None, "ragged_row"),
        (5, 7, "sold", "not_a_timestamptz"),
        (3, 5, "id", "null_not_allowed"),
    ]


async def test_a_share_of_rejects_is_a_limit_too(goods: Jobs, warm: Executor) -> None:
    content = HEADER + "1,a,x,\n2,b,1,\n3,c,1,\n"
    limits = Limits(max_rejects=10, max_reject_ratio=0.3)
    outcome = await failed(warm, goods.job(content, limits=limits))
    assert (outcome.code, await goods.table.rows()) == ("too_many_rejects", [])


@pytest.mark.parametrize("steps", [[], [{"step": "sort_rows", "params": {"by": [{"column": "name"}]}}]])
async def test_too_many_rejects_end_a_run_long_before_the_end_of_the_file(
    in_sqlite: Jobs, warm: Executor, steps: list[dict[str, Any]]
) -> None:
    content = HEADER + "x,a,1.00,\n" + "".join(f"{number},a,1.00,\n" for number in range(500_000))
    outcome = await failed(warm, in_sqlite.job(content, steps=steps))
    assert outcome.code == "too_many_rejects"
    assert outcome.counts is not None
    assert outcome.counts.read < 250_000


async def test_no_rows_are_a_success_with_nothing_in_it(goods: Jobs, warm: Executor) -> None:
    outcome = await succeeded(warm, goods.job(HEADER))
    assert (outcome.counts.read, outcome.counts.written) == (0, 0)
    again = await succeeded(warm, goods.job(HEADER, mode="upsert"))
    assert again.counts.written == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "file_empty"),
        ("id,name,price\n1,a,1\n", "header_changed"),
        ("id,name,price,sold,more\n", "header_changed"),
        ("id,name,name,sold\n", "header_duplicate"),
        (HEADER + '1,"open,1.00,\n2,b,1.00,\n', "unterminated_quote"),
    ],
)
async def test_a_file_that_is_not_the_declared_one_fails_before_anything_is_written(
    goods: Jobs, warm: Executor, content: str, code: str
) -> None:
    outcome = await failed(warm, goods.job(content))
    assert (outcome.code, outcome.transient) == (code, False)
    assert await goods.table.rows() == []


async def test_a_file_of_another_size_is_refused(goods: Jobs, warm: Executor) -> None:
    job = goods.job(TWO)
    (file,) = job.source.files
    source = job.source.model_copy(update={"files": [file.model_copy(update={"size": file.size + 1})]})
    outcome = await failed(warm, job.model_copy(update={"source": source}))
    assert outcome.code == "source_changed"


async def test_a_file_of_another_content_is_refused_before_the_commit(goods: Jobs, warm: Executor) -> None:
    job = goods.job(TWO)
    (file,) = job.source.files
    source = job.source.model_copy(update={"files": [file.model_copy(update={"sha256": "0" * 64})]})
    outcome = await failed(warm, job.model_copy(update={"source": source}))
    assert (outcome.code, await goods.table.rows()) == ("source_changed", [])


async def test_a_table_that_is_gone_is_a_terminal_failure(goods: Jobs, warm: Executor) -> None:
    await goods.table.execute(f"DROP TABLE {TABLE}")
    outcome = await failed(warm, goods.job(TWO))
    assert (outcome.code, outcome.transient) == ("target_unfit", False)


async def test_an_upsert_needs_a_unique_key_in_the_table(goods: Jobs, warm: Executor) -> None:
    outcome = await failed(warm, goods.job(TWO, mode="upsert", key=["name"]))
    assert outcome.code == "target_unfit"
    assert "unique key over exactly name" in outcome.message


async def test_steps_work_on_the_rows_and_count_what_they_drop(goods: Jobs, warm: Executor) -> None:
    content = HEADER + "1,a,1.00,\n2,,2.00,\n3,c,,\n1,z,9.00,\n"
    steps = [
        {"step": "filter_rows", "params": {"condition": {"op": "is_not_null", "column": "price"}}},
        {"step": "fill_missing", "params": {"values": {"name": "unknown"}}},
        {"step": "deduplicate", "params": {"columns": ["id"]}},
    ]
    outcome = await succeeded(warm, goods.job(content, steps=steps))
    counts = outcome.counts
    assert (counts.read, counts.written, counts.filtered, counts.deduplicated) == (4, 2, 1, 1)
    assert [step.step for step in counts.steps] == [
        "csv", "filter_rows", "fill_missing", "deduplicate", "database_save",
    ]  # fmt: skip
    rows = await goods.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id")
    assert rows == [(1, "a"), (2, "unknown")]


async def test_a_table_may_have_a_column_named_as_the_one_of_the_stage(jobs: Jobs, warm: Executor) -> None:
    jobs.types = {"id": "int64", "_penstock_row": "text", "_Penstock_row_2": "int64"}
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    content = "id,_penstock_row,_Penstock_row_2\n1,a,7\n1,b,5\n2,c,\n"
    outcome = await succeeded(warm, jobs.job(content, mode="upsert"))
    assert (outcome.counts.inserted, outcome.counts.deduplicated) == (2, 1)
    assert await jobs.table.rows() == [(1, "b", 5), (2, "c", None)]


async def test_settle_tells_a_commit_from_none(goods: Jobs, warm: Executor) -> None:
    done, never = goods.job(TWO), goods.job(TWO)
    assert await warm.settle(never) is None
    outcome = await succeeded(warm, done)
    settled = await warm.settle(done)
    assert settled is not None
    assert (settled.adopted, settled.counts) == (True, outcome.counts)
    assert await warm.settle(never) is None

"""What users have written into the tables of an SQLite file: nothing of it bends rows or counts."""

import pytest

from services.etl.pipeline.definition import History, WriteMode
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import TABLE, Jobs, columns_of, failed, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "id,name,price,sold\n"
OLD = HEADER + "1,a,1.00,\n2,b,2.00,\n"
TIMES = {"valid_from": "timestamptz", "valid_to": "timestamptz"}


async def made(jobs: Jobs, columns: str) -> None:
    """The table anew, with these columns."""
    await jobs.table.execute(f"DROP TABLE {TABLE}")
    await jobs.table.execute(f"CREATE TABLE {TABLE} ({columns})")


@pytest.mark.parametrize("clause", ["IGNORE", "REPLACE", "ROLLBACK", "FAIL", "ABORT"])
@pytest.mark.parametrize("mode", ["append", "replace"])
async def test_what_a_table_says_of_conflicts_takes_no_row_away(
    in_sqlite: Jobs, warm: Executor, mode: WriteMode, clause: str
) -> None:
    await made(in_sqlite, f"id INTEGER PRIMARY KEY ON CONFLICT {clause}, name TEXT, price TEXT, sold TEXT")
    await succeeded(warm, in_sqlite.job(OLD))
    outcome = await failed(warm, in_sqlite.job(HEADER + "3,x,1.00,\n2,c,2.00,\n2,d,2.00,\n", mode=mode))
    assert outcome.code == "target_refused"
    assert await in_sqlite.table.rows(f"SELECT id, name FROM {TABLE}") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace"])
@pytest.mark.parametrize("clause", ["IGNORE", "REPLACE"])
async def test_another_key_decides_nothing(
    in_sqlite: Jobs, warm: Executor, mode: WriteMode, clause: str
) -> None:
    await made(
        in_sqlite,
        f"id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT {clause}, price TEXT, sold TEXT",
    )
    await succeeded(warm, in_sqlite.job(OLD))
    outcome = await failed(warm, in_sqlite.job(HEADER + "3,b,1.00,\n4,b,1.00,\n", mode=mode))
    assert outcome.code == "target_refused"
    assert await in_sqlite.table.rows(f"SELECT id, name FROM {TABLE}") == [(1, "a"), (2, "b")]


async def test_a_null_is_no_request_for_the_next_number(in_sqlite: Jobs, warm: Executor) -> None:
    await made(in_sqlite, "id INTEGER PRIMARY KEY, name TEXT, price TEXT, sold TEXT")
    outcome = await failed(warm, in_sqlite.job(HEADER + "1,a,1.00,\n,b,1.00,\n"))
    assert outcome.code in {"target_refused", "too_many_rejects"}
    assert await in_sqlite.table.rows() == []


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace", "scd2"])
async def test_a_trigger_that_drops_a_row_in_silence_is_told(
    in_sqlite: Jobs, warm: Executor, mode: WriteMode
) -> None:
    history = History() if mode == "scd2" else None
    key = "UNIQUE (id, valid_from)" if history else "UNIQUE (id)"
    await made(
        in_sqlite,
        f"id INTEGER NOT NULL, name TEXT, price TEXT, sold TEXT, valid_from TEXT, valid_to TEXT, {key}",
    )
    await in_sqlite.table.execute(
        f"CREATE TRIGGER dropping BEFORE INSERT ON {TABLE} WHEN NEW.id = 2 BEGIN SELECT RAISE(IGNORE); END"
    )
    target = columns_of({**in_sqlite.types, **TIMES}, required=["id"]) if history else None
    outcome = await failed(warm, in_sqlite.job(OLD, mode=mode, history=history, target=target))
    assert outcome.code in {"target_refused", "counts_differ"}
    assert await in_sqlite.table.rows() == []


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
async def test_rows_may_refer_to_later_ones(in_sqlite: Jobs, warm: Executor, mode: WriteMode) -> None:
    """The order of the source decides nothing: what counts is that all is there in the end."""
    in_sqlite.types = {"id": "int64", "part_of": "int64"}
    await made(in_sqlite, f"id INTEGER PRIMARY KEY, part_of INTEGER REFERENCES {TABLE} (id)")
    rows = "".join(f"{number},{number + 1}\n" for number in range(1, 200))
    await succeeded(warm, in_sqlite.job(f"id,part_of\n{rows}200,\n", mode=mode))
    assert await in_sqlite.table.rows(f"SELECT count(*) FROM {TABLE}") == [(200,)]
    outcome = await failed(warm, in_sqlite.job("id,part_of\n201,202\n", mode="append"))
    assert outcome.code == "target_refused"
    assert "not there" in outcome.message
    assert await in_sqlite.table.rows(f"SELECT count(*) FROM {TABLE}") == [(200,)]


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace", "scd2"])
async def test_two_thousand_columns(in_sqlite: Jobs, warm: Executor, mode: WriteMode) -> None:
    history = History() if mode == "scd2" else None
    names = [f"c{number}" for number in range(1999 - 2 * bool(history))]
    in_sqlite.types = {"id": "int64"} | dict.fromkeys(names, "int32")
    more = ", valid_from TEXT, valid_to TEXT" if history else ", PRIMARY KEY (id)"
    await made(in_sqlite, "id INTEGER NOT NULL, " + ", ".join(f"{name} INTEGER" for name in names) + more)
    target = columns_of({**in_sqlite.types, **TIMES}, required=["id"]) if history else None
    for number in (1, 2):
        content = ",".join(["id", *names]) + "\n" + ",".join(["1", *[str(number)] * len(names)]) + "\n"
        if mode == "append":
            content = content.replace("\n1,", f"\n{number},")
        declared = [{"name": name, "type": kind} for name, kind in in_sqlite.types.items()]
        job = in_sqlite.job(content, mode=mode, history=history, target=target, source={"columns": declared})
        await succeeded(warm, job)

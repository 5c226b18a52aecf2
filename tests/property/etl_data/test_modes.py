"""Whatever runs follow each other, the table holds what a few lines of Python say it should."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import Columns
from services.etl.destinations import _sqlite_sql as sql
from services.etl.destinations._target import Encoded, Rows, Surroundings, Written
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.definition import History
from services.etl.pipeline.job import Counts
from services.etl.pipeline.targets import target_for
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    PostgresTable,
    SqliteTable,
    columns_of,
)

TYPES = {"id": "int64", "name": "text"}
VERSIONED = TYPES | {"valid_from": "timestamptz", "valid_to": "timestamptz", "ok": "boolean"}
Row = tuple[int, str | None]
rows = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, "", "a", "A", "b"])), max_size=6)


@dataclass(frozen=True)
class Run:
    """One run: how it writes, and what."""

    mode: Any
    winner: Any
    rows: list[Row]
    absent: Any = "keep"


runs = st.lists(
    st.builds(
        Run,
        mode=st.sampled_from(["upsert", "insert_only", "replace"]),
        winner=st.sampled_from(["first", "last"]),
        rows=rows,
    ).map(lambda run: run if run.mode != "replace" else Run(run.mode, run.winner, [*dict(run.rows).items()])),
    min_size=1,
    max_size=4,
)
histories = st.lists(
    st.builds(
        Run,
        mode=st.just("scd2"),
        winner=st.sampled_from(["first", "last"]),
        rows=rows,
        absent=st.sampled_from(["keep", "close"]),
    ),
    min_size=1,
    max_size=4,
)
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Jobs:
    """Jobs for a place in each kind of target that is tried."""
    if request.param == "sqlite":
        return Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path, TYPES)
    return Jobs(PostgresTable(request.getfixturevalue("postgres_database")), tmp_path, TYPES)


async def carried_out(jobs: Jobs, run: Run) -> Written:
    """A run of the target alone."""
    history = History(active="ok", absent=run.absent) if run.mode == "scd2" else None
    target = columns_of(VERSIONED if history else TYPES)
    job = jobs.job("", mode=run.mode, winner=run.winner, history=history, target=target)
    columns = Columns(columns_of(TYPES))
    made = target_for(job.table.connection.connection.type)(job, columns, Surroundings(POLICY))
    await made.prepare()

    async def encoded() -> AsyncIterator[Encoded]:
        for row in run.rows:
            given_row = [dict(zip(TYPES, row, strict=True))]
            batch = pa.RecordBatch.from_pylist(given_row, schema=arrow_schema(columns))
            yield made.encode(Rows(batch, columns))

    written = await made.write(encoded())
    await made.commit(Counts())
    await made.abandon()
    return written


def winners(run: Run) -> dict[int, str | None]:
    """One value for each key."""
    return dict(run.rows if run.winner == "last" else reversed(run.rows))


def expected(run: Run, table: dict[int, str | None]) -> tuple[dict[int, str | None], int]:
    """The table after a run, and how many rows were updated."""
    chosen = winners(run)
    if run.mode == "replace":
        return chosen, 0
    if run.mode == "insert_only":
        return chosen | table, 0
    return table | chosen, sum(key in table and table[key] != name for key, name in chosen.items())


async def emptied(jobs: Jobs, types: dict[str, str], key: Sequence[str]) -> None:
    await jobs.table.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await jobs.table.create(columns_of(types, required=key), key=key)


@given(following=runs)
@few
async def test_runs_by_key_leave_what_a_dictionary_would(jobs: Jobs, following: list[Run]) -> None:
    await emptied(jobs, TYPES, ["id"])
    table: dict[int, str | None] = {}
    for run in following:
        written = await carried_out(jobs, run)
        known = set(table)
        table, updated = expected(run, table)
        assert dict(await jobs.table.rows()) == table
        assert written.written + written.deduplicated == len(run.rows)
        if run.mode != "replace":
            assert written.deduplicated == len(run.rows) - len(winners(run))
            assert (written.inserted, written.updated) == (len(winners(run).keys() - known), updated)


@given(following=histories)
@few
async def test_versions_tell_the_whole_story(jobs: Jobs, following: list[Run]) -> None:
    await emptied(jobs, VERSIONED, ["id", "valid_from"])
    valid: dict[int, str | None] = {}
    ended: list[Row] = []
    for run in following:
        written, chosen = await carried_out(jobs, run), winners(run)
        gone = [key for key in valid if key not in chosen] if run.absent == "close" else []
        changed = [key for key in chosen if key in valid and valid[key] != chosen[key]]
        assert (written.inserted, written.updated) == (len(chosen.keys() - valid.keys()), len(changed))
        ended += [(key, valid[key]) for key in (*gone, *changed)]
        valid = {key: name for key, name in (valid | chosen).items() if key not in gone}
        found = await jobs.table.rows(f"SELECT id, name, valid_from, valid_to, ok FROM {TABLE}")
        assert {row[0]: row[1] for row in found if row[3] is None} == valid
        assert sorted(map(repr, ((row[0], row[1]) for row in found if row[3] is not None))) == sorted(
            map(repr, ended)
        )
        assert all(bool(row[4]) is (row[3] is None) for row in found)
        assert all(row[3] is None or row[2] < row[3] for row in found)


def test_the_collation_of_a_column_hides_no_change(tmp_path: Path) -> None:
    """NOCASE takes A and a for the same; a row that differs in that alone differs."""
    connection = sqlite3.connect(tmp_path / "w.db")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE)")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute(sql.create_stage([("id", "INTEGER"), ("name", "TEXT")]))
    connection.execute(sql.insert(sql.STAGE, ["id", "name"]), (1, "A"))
    assert connection.execute(sql.merge('"t"', ["id", "name"], ["id"])).rowcount == 1
    assert connection.execute("SELECT name FROM t").fetchone() == ("A",)
    connection.close()

"""Whole runs that read from a database: at once, bit by bit, straight from one PostgreSQL to another."""

from pathlib import Path
from typing import Any

import pytest

from services.etl.loaders import _postgresql_session
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import Job
from services.etl.runner import load
from services.etl.runner.executor import Executor
from services.etl.runner.messages import ChildMessage, Failed, Succeeded
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    PostgresTable,
    SqliteTable,
    TestTable,
    columns_of,
    run,
    succeeded,
)
from tests.integration.etl_data.sources import job_source
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = {"id": "int64", "name": "text", "price": "decimal(14,2)"}
ORIGIN = "origin"


def from_origin(jobs: Jobs, table: TestTable, *, changed: dict[str, Any] | None = None, **how: Any) -> Job:
    """A job that fills the table of the tests from the table `origin` of a database."""
    params = {"table_name": ORIGIN} | (changed or {})
    made = jobs.job("", target=columns_of(TYPES, required=["id"]), **how)
    return made.model_copy(update={"source": job_source(table, TYPES, **params)})


async def origin(table: TestTable, *rows: str, types: str = "id bigint, name text, price {decimal}") -> None:
    """Make the table `origin` with these rows."""
    decimal = "DECIMAL_TEXT(14,2)" if isinstance(table, SqliteTable) else "decimal(14,2)"
    await table.execute(f"CREATE TABLE {ORIGIN} ({types.format(decimal=decimal)})")
    for row in rows:
        await table.execute(f"INSERT INTO {ORIGIN} VALUES ({row})")


async def rows_of(jobs: Jobs) -> list[tuple[Any, ...]]:
    """Number and name of all rows that were loaded."""
    return await jobs.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id")


@pytest.fixture
def elsewhere(tmp_path: Path) -> SqliteTable:
    """A file to read from, that is not the one that is written to."""
    return SqliteTable(tmp_path / "elsewhere.db")


async def test_rows_come_from_a_database_into_every_engine(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    await origin(elsewhere, "1, 'a', '0.10'", "2, NULL, NULL")
    outcome = await succeeded(warm, from_origin(goods, elsewhere))
    assert (outcome.counts.read, outcome.counts.inserted, outcome.counts.rejected) == (2, 2, 0)
    assert await rows_of(goods) == [(1, "a"), (2, None)]


async def test_a_table_may_be_read_and_written_in_one_database(goods: Jobs, warm: Executor) -> None:
    await origin(goods.table, "1, 'a', '0.10'", "2, 'b', NULL")
    outcome = await succeeded(warm, from_origin(goods, goods.table))
    assert outcome.counts.inserted == 2
    assert await rows_of(goods) == [(1, "a"), (2, "b")]


async def test_a_rejected_row_is_told_with_its_record_and_raw_text(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    await origin(elsewhere, "1, 'a', 'dear'", "2, 'b', '1.00'")
    outcome, heard = await run(warm, from_origin(goods, elsewhere, limits=Limits(max_rejects=1)))
    assert isinstance(outcome, Succeeded), outcome
    (reject,) = heard.rejects
    assert (reject.record, reject.column, reject.value) == (1, "price", "dear")
    assert reject.raw == '{"id":"1","name":"a","price":"dear"}'
    assert await rows_of(goods) == [(2, "b")]


INCREMENTAL = {"cursor_column": "id"}


async def test_each_run_reads_what_came_since_the_last_one(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    await origin(elsewhere, "1, 'a', '1.00'", "2, 'b', '1.00'")
    first = await succeeded(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    await elsewhere.execute(f"INSERT INTO {ORIGIN} VALUES (3, 'c', '1.00'), (0, 'late', '1.00')")
    second = await succeeded(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    third = await succeeded(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    assert [outcome.counts.read for outcome in (first, second, third)] == [2, 1, 0]
    assert second.counts.cursor == '{"column":"id","value":"3"}'
    assert await rows_of(goods) == [(1, "a"), (2, "b"), (3, "c")]


async def test_a_lag_reads_rows_again_that_were_committed_late(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    lagging = INCREMENTAL | {"lag": 2}
    how: dict[str, Any] = {"changed": lagging, "stream": "s", "mode": "upsert"}
    await origin(elsewhere, "1, 'a', '1.00'", "5, 'b', '1.00'")
    await succeeded(warm, from_origin(goods, elsewhere, **how))
    await elsewhere.execute(f"INSERT INTO {ORIGIN} VALUES (4, 'late', '1.00'), (3, 'too late', '1.00')")
    outcome = await succeeded(warm, from_origin(goods, elsewhere, **how))
    assert (outcome.counts.read, outcome.counts.inserted, outcome.counts.unchanged) == (2, 1, 1)
    assert outcome.counts.cursor is None
    assert [row[0] for row in await rows_of(goods)] == [1, 4, 5]


async def test_a_run_that_fails_keeps_the_cursor(goods: Jobs, elsewhere: SqliteTable, warm: Executor) -> None:
    await origin(elsewhere, "1, 'a', '1.00'", "2, 'b', 'dear'")
    outcome, _ = await run(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    assert isinstance(outcome, Failed)
    await elsewhere.execute(f"UPDATE {ORIGIN} SET price = '2.00' WHERE id = 2")
    await succeeded(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    assert await rows_of(goods) == [(1, "a"), (2, "b")]


async def test_a_restart_reads_all_again(goods: Jobs, elsewhere: SqliteTable, warm: Executor) -> None:
    how: dict[str, Any] = {"changed": INCREMENTAL, "stream": "s", "mode": "upsert"}
    await origin(elsewhere, "1, 'a', '1.00'")
    await succeeded(warm, from_origin(goods, elsewhere, **how))
    job = from_origin(goods, elsewhere, **how).model_copy(update={"restart": True})
    assert (await succeeded(warm, job)).counts.read == 1


async def test_a_row_without_a_cursor_value_is_rejected(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    await origin(elsewhere, "1, 'a', '1.00'", "NULL, 'b', '1.00'")
    limits = Limits(max_rejects=1)
    outcome, heard = await run(
        warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s", limits=limits)
    )
    assert isinstance(outcome, Succeeded), outcome
    assert [reject.code for reject in heard.rejects] == ["cursor_null"]


async def test_a_cursor_of_another_column_is_refused(
    goods: Jobs, elsewhere: SqliteTable, warm: Executor
) -> None:
    await origin(elsewhere, "1, 'a', '1.00'")
    await succeeded(warm, from_origin(goods, elsewhere, changed=INCREMENTAL, stream="s"))
    other = {"cursor_column": "name"}
    outcome, _ = await run(warm, from_origin(goods, elsewhere, changed=other, stream="s"))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.transient) == ("source_changed", False)
    assert "'id' and not 'name'" in outcome.message


@pytest.mark.postgres
class TestFromOnePostgresqlToAnother:
    """Rows that nobody has to look at go from COPY to COPY."""

    async def ran(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, bool]:
        """The outcome of a job in this process, and whether it went straight."""
        straight: list[bool] = []
        binary = _postgresql_session.PostgresqlSession.binary

        def noted(*arguments: Any) -> Any:
            straight.append(True)
            return binary(*arguments)

        monkeypatch.setattr(_postgresql_session.PostgresqlSession, "binary", noted)
        ended = await load.run(job, policy=POLICY, tell=_nobody, scratch=None)
        return ended.outcome, bool(straight)

    @pytest.mark.parametrize("mode", ["append", "replace"])
    async def test_rows_of_the_same_types_go_straight(
        self, in_postgres: Jobs, monkeypatch: pytest.MonkeyPatch, mode: Any
    ) -> None:
        await in_postgres.table.execute(f"ALTER TABLE {TABLE} DROP COLUMN sold")
        types = "id bigint NOT NULL, name text, price {decimal}"
        await origin(in_postgres.table, "1, E'a\\n\"', 'NaN'", "2, NULL, NULL", "3, '', -0.10", types=types)
        outcome, straight = await self.ran(
            from_origin(in_postgres, in_postgres.table, mode=mode), monkeypatch
        )
        assert isinstance(outcome, Succeeded), outcome
        assert straight
        assert (outcome.counts.read, outcome.counts.written) == (3, 3)
        assert outcome.counts.bytes_read > 0
        found = await in_postgres.table.rows(f"SELECT id, name, price::text FROM {TABLE} ORDER BY id")
        assert found == [(1, 'a\n"', "NaN"), (2, None, None), (3, "", "-0.10")]

    @pytest.mark.parametrize(
        ("types", "how"),
        [
            ("id bigint, name text, price {decimal}", {}),
            ("id integer NOT NULL, name text, price {decimal}", {}),
            ("id bigint NOT NULL, name varchar(9), price {decimal}", {}),
            ("id bigint NOT NULL, name text, price numeric(12,2)", {}),
            ("id bigint NOT NULL, name text, price {decimal}", {"mode": "upsert"}),
            (
                "id bigint NOT NULL, name text, price {decimal}",
                {"steps": [{"step": "select_columns", "params": {"columns": ["id", "name", "price"]}}]},
            ),
            (
                "id bigint NOT NULL, name text, price {decimal}",
                {"changed": {"where": {"op": "contains", "column": "name", "value": "a"}}},
            ),
        ],
    )
    async def test_rows_that_something_has_to_be_checked_of_are_read(
        self, in_postgres: Jobs, monkeypatch: pytest.MonkeyPatch, types: str, how: dict[str, Any]
    ) -> None:
        await origin(in_postgres.table, "1, 'a', 1.00", types=types)
        outcome, straight = await self.ran(from_origin(in_postgres, in_postgres.table, **how), monkeypatch)
        assert isinstance(outcome, Succeeded), outcome
        assert not straight
        assert await rows_of(in_postgres) == [(1, "a")]

    async def test_a_key_that_is_there_already_leaves_the_table(
        self, in_postgres: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        types = "id bigint NOT NULL, name text, price {decimal}"
        await origin(in_postgres.table, "1, 'a', 1.00", "1, 'b', 1.00", types=types)
        outcome, straight = await self.ran(from_origin(in_postgres, in_postgres.table), monkeypatch)
        assert (straight, outcome.code) == (True, "target_refused")
        assert await rows_of(in_postgres) == []


@pytest.mark.postgres
async def test_a_run_ends_when_its_source_is_cut(
    in_sqlite: Jobs, postgres_database: Dsn, warm: Executor
) -> None:
    table = PostgresTable(postgres_database)
    await table.execute(f"CREATE TABLE {ORIGIN} AS SELECT 1::bigint AS id, 'a' AS name, 1.00 AS price")
    await table.execute(
        "CREATE FUNCTION cut() RETURNS text LANGUAGE sql AS"
        " 'SELECT pg_terminate_backend(pg_backend_pid())::text'",
    )
    await table.execute(f"CREATE VIEW cutting AS SELECT id, cut() AS name, price FROM {ORIGIN}")
    outcome, _ = await run(warm, from_origin(in_sqlite, table, changed={"table_name": "cutting"}))
    assert isinstance(outcome, Failed)
    assert outcome.transient
    assert await rows_of(in_sqlite) == []


def _nobody(_message: ChildMessage) -> None:
    pass

"""Traps of targets: tables that drifted, locks that don't come free, types that copy blindly."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from services.etl.pipeline.definition import Limits
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import TABLE, Jobs, columns_of, failed, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "id,name,price,sold\n"
ONE = HEADER + "1,bolt,0.10,2026-01-31T12:00:00Z\n"


@pytest.mark.postgres
class TestPostgresql:
    async def test_a_lock_that_does_not_come_free_is_a_transient_failure(
        self, in_postgres: Jobs, warm: Executor
    ) -> None:
        holder = await in_postgres.table.dsn.connect()  # type: ignore[attr-defined]  # it is PostgreSQL's
        try:
            await holder.execute(f"BEGIN; LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            outcome = await failed(warm, in_postgres.job(ONE))
        finally:
            await holder.close()
        assert (outcome.code, outcome.transient) == ("target_busy", True)
        await succeeded(warm, in_postgres.job(ONE))

    async def test_two_jobs_of_one_table_do_not_mix(self, in_postgres: Jobs, warm: Executor) -> None:
        """The later one wins the fence; the earlier one is ended or refused, and never half there."""
        other = Executor(policy=warm._policy)
        content = HEADER + "".join(f"{number},x,1.00,\n" for number in range(20_000))
        jobs = [in_postgres.job(content), in_postgres.job(content)]
        try:
            await asyncio.gather(warm.execute(jobs[0], _quiet), other.execute(jobs[1], _quiet))
        finally:
            await other.close()
        rows = await in_postgres.table.rows(f"SELECT count(*) FROM {TABLE}")
        applied = await in_postgres.table.rows("SELECT run_id FROM _penstock_ledger")
        assert (rows, len(applied)) == ([(20_000,)], 1)

    @pytest.mark.parametrize(
        ("change", "content"),
        [
            ("ALTER COLUMN id TYPE integer", HEADER + "4294967296,x,1.00,\n"),
            ("ALTER COLUMN price TYPE numeric(14,1)", HEADER + "1,x,1.25,\n"),
            ("ALTER COLUMN sold TYPE timestamptz(0)", ONE),
            ("ALTER COLUMN id TYPE double precision", ONE.replace("1,", "9007199254740993,", 1)),
            ("RENAME COLUMN price TO cost", ONE),
            ("ADD COLUMN must text NOT NULL", ONE),
            ("DROP COLUMN name, ADD COLUMN name text GENERATED ALWAYS AS ('x') STORED", ONE),
        ],
    )
    async def test_a_table_that_drifted_is_never_written_wrongly(
        self, in_postgres: Jobs, warm: Executor, change: str, content: str
    ) -> None:
        await in_postgres.table.execute(f"ALTER TABLE {TABLE} {change}")
        outcome = await failed(warm, in_postgres.job(content))
        assert (outcome.code, outcome.transient) == ("target_unfit", False)
        assert await in_postgres.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]

    @pytest.mark.parametrize("kind", ["smallint", "integer", "numeric", "numeric(12,2)", "float8", "text"])
    async def test_a_wider_or_narrower_column_takes_values_that_fit(
        self, in_postgres: Jobs, warm: Executor, kind: str
    ) -> None:
        await in_postgres.table.execute(f"ALTER TABLE {TABLE} ALTER COLUMN id TYPE {kind}")
        await succeeded(warm, in_postgres.job(ONE))
        ((found,),) = await in_postgres.table.rows(f"SELECT id FROM {TABLE}")
        assert float(found) == 1.0

    async def test_rows_that_the_table_drops_by_itself_fail_the_run(
        self, in_postgres: Jobs, warm: Executor
    ) -> None:
        """COPY says how many rows there are now, which are not those that were sent."""
        await in_postgres.table.execute(
            "CREATE FUNCTION drop_even() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN IF NEW.id % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END'"
        )
        await in_postgres.table.execute(
            f"CREATE TRIGGER drops BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION drop_even()"
        )
        outcome = await failed(warm, in_postgres.job(HEADER + "1,x,1.00,\n2,x,1.00,\n"))
        assert (outcome.code, await in_postgres.table.rows()) == ("counts_differ", [])

    async def test_a_column_of_an_enumeration_goes_as_text_and_bad_values_are_placed(
        self, in_postgres: Jobs, warm: Executor
    ) -> None:
        await in_postgres.table.execute("CREATE TYPE kind AS ENUM ('bolt', 'nut')")
        await in_postgres.table.execute(f"ALTER TABLE {TABLE} ALTER COLUMN name TYPE kind USING name::kind")
        await succeeded(warm, in_postgres.job(ONE))
        content = HEADER + "2,nut,1.00,\nx,bolt,1.00,\n3,screw,1.00,\n"
        outcome = await failed(warm, in_postgres.job(content, limits=Limits(max_rejects=1)))
        assert outcome.code == "target_refused"
        assert "record 3" in outcome.message
        assert "column name" in outcome.message
        assert "screw" not in outcome.message

    async def test_names_and_schemas_are_quoted(self, in_postgres: Jobs, warm: Executor) -> None:
        odd = 'we"ird; DROP'
        await in_postgres.table.execute(f'CREATE SCHEMA "{odd.replace(chr(34), chr(34) * 2)}"')
        table = f'"{odd.replace(chr(34), chr(34) * 2)}"."{odd.replace(chr(34), chr(34) * 2)}"'
        await in_postgres.table.execute(f"CREATE TABLE {table} (LIKE {TABLE} INCLUDING ALL)")
        for mode in ("append", "upsert"):
            job = in_postgres.job(ONE, mode=mode)
            target = job.table.model_copy(update={"schema_name": odd, "table_name": odd})
            await succeeded(warm, job.model_copy(update={"target": target}))
        assert await in_postgres.table.rows(f"SELECT count(*) FROM {table}") == [(1,)]

    async def test_a_server_that_is_not_there_is_transient_and_tells_no_password(
        self, in_postgres: Jobs, warm: Executor
    ) -> None:
        job = in_postgres.job(ONE)
        wire = job.to_wire()
        wire["target"]["connection"]["connection"]["port"] = 1
        outcome = await failed(warm, type(job).model_validate(wire))
        password = wire["target"]["connection"]["connection"]["password"]
        assert (outcome.code, outcome.transient) == ("connect_failed", True)
        assert password not in outcome.model_dump_json()
        assert password not in repr(job)


class TestSqlite:
    async def test_another_writer_is_a_transient_failure(self, in_sqlite: Jobs, warm: Executor) -> None:
        assert in_sqlite.table.sqlite_path
        with closing(sqlite3.connect(in_sqlite.table.sqlite_path)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            outcome = await failed(warm, in_sqlite.job(ONE))
        assert (outcome.code, outcome.transient) == ("target_busy", True)
        await succeeded(warm, in_sqlite.job(ONE))

    async def test_a_column_that_would_change_values_is_refused(
        self, in_sqlite: Jobs, warm: Executor
    ) -> None:
        await in_sqlite.table.execute(f"DROP TABLE {TABLE}")
        await in_sqlite.table.execute(
            f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, name TEXT, price NUMERIC, sold TEXT)"
        )
        outcome = await failed(warm, in_sqlite.job(ONE))
        assert outcome.code == "target_unfit"
        assert "'price' is declared 'NUMERIC'" in outcome.message

    async def test_a_file_that_is_gone_is_told_without_its_path(
        self, in_sqlite: Jobs, warm: Executor
    ) -> None:
        assert in_sqlite.table.sqlite_path
        in_sqlite.table.sqlite_path.unlink()
        outcome = await failed(warm, in_sqlite.job(ONE))
        assert outcome.code == "connect_failed"
        assert str(in_sqlite.table.sqlite_path) not in outcome.model_dump_json()
        assert not in_sqlite.table.sqlite_path.exists()

    async def test_a_rowid_key_and_a_composite_key_serve_an_upsert(
        self, in_sqlite: Jobs, warm: Executor
    ) -> None:
        for key in ("id INTEGER PRIMARY KEY, name TEXT", "id BIGINT, name TEXT, UNIQUE (name, id)"):
            await in_sqlite.table.execute(f"DROP TABLE {TABLE}")
            columns, _, constraint = key.partition(", UNIQUE")
            tail = f", UNIQUE{constraint}" if constraint else ""
            await in_sqlite.table.execute(
                f"CREATE TABLE {TABLE} ({columns}, price DECIMAL_TEXT(14,2), sold TIMESTAMPTZ_TEXT{tail})"
            )
            names = ["id", "name"] if constraint else ["id"]
            for inserted in (1, 0):
                outcome = await succeeded(warm, in_sqlite.job(ONE, mode="upsert", key=names))
                assert outcome.counts.inserted == inserted

    async def test_a_key_that_compares_without_case_is_refused(self, in_sqlite: Jobs, warm: Executor) -> None:
        await in_sqlite.table.execute(f"CREATE UNIQUE INDEX folded ON {TABLE} (name COLLATE NOCASE)")
        outcome = await failed(warm, in_sqlite.job(ONE, mode="upsert", key=["name"]))
        assert outcome.code == "target_unfit"


async def test_a_null_in_the_key_of_an_upsert_is_rejected(goods: Jobs, warm: Executor) -> None:
    job = goods.job(HEADER + ",x,1.00,\n", mode="upsert", target=columns_of(goods.types))
    outcome = await failed(warm, job)
    assert (outcome.code, outcome.step) == ("too_many_rejects", None)
    assert "is NULL in the key" in outcome.message


async def test_a_handler_that_fails_is_told_by_its_step(in_sqlite: Jobs, warm: Executor) -> None:
    summed = [
        {"function": "max", "column": "id", "into": "id"},
        {"function": "sum", "column": "name", "into": "name"},
    ]
    steps = [
        {"step": "cast_types", "params": {"columns": [{"column": "name", "type": "decimal(38,0)"}]}},
        {"step": "aggregate", "params": {"aggregates": summed}},
        {"step": "cast_types", "params": {"columns": [{"column": "name", "type": "text"}]}},
    ]
    rows = "".join(f"{at},{'9' * 38},1.00,\n" for at in (1, 2))
    outcome = await failed(warm, in_sqlite.job(HEADER + rows, steps=steps))
    assert (outcome.code, outcome.transient) == ("result_too_large", False)
    assert "'aggregate'" in outcome.message


async def test_a_step_that_no_longer_fits_is_told_with_its_place(in_sqlite: Jobs, warm: Executor) -> None:
    steps = [{"step": "select_columns", "params": {"columns": ["id", "gone"]}}]
    outcome = await failed(warm, in_sqlite.job(ONE, steps=steps))
    assert (outcome.code, outcome.loc) == ("pipeline_invalid", ("steps", 0, "params", "columns", 1))


async def _quiet(_message: object) -> None:
    """Nobody listens."""

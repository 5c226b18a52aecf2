"""Replacing a table of PostgreSQL while others read it, or give it what a new one would not have."""

import asyncio

import pytest

from services.etl.destinations import _postgresql_work
from services.etl.pipeline.job import Job
from services.etl.runner import load
from services.etl.runner.messages import Succeeded
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, postgres_session

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]

HEADER = "id,name,price,sold\n"
OLD = HEADER + "1,a,1.00,\n2,b,2.00,\n"
NEW = HEADER + "2,b,2.00,\n3,c,3.00,\n4,d,4.00,\n"
WAITS = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"


async def filled(job: Job) -> Succeeded:
    """Run a job in this process; it must succeed."""
    ended = await load.run(job, policy=POLICY, tell=lambda _message: None)
    assert isinstance(ended.outcome, Succeeded), ended.outcome
    return ended.outcome


async def is_replaced(jobs: Jobs) -> bool:
    leftovers = await jobs.table.rows("SELECT relname FROM pg_class WHERE relname ~ '^_penstock_(new|old)'")
    return await ids(jobs) == [2, 3, 4] and leftovers == []


async def ids(jobs: Jobs) -> list[int]:
    return [row[0] for row in await jobs.table.rows(f"SELECT id FROM {TABLE} ORDER BY id")]


FACTS = f"""
    SELECT obj_description('{TABLE}'::regclass), col_description('{TABLE}'::regclass, 2),
           (SELECT string_agg(g::text, ' ' ORDER BY g::text) FROM pg_class AS c, aclexplode(c.relacl) AS g
            WHERE c.oid = '{TABLE}'::regclass),
           (SELECT string_agg(pubname, ' ') FROM pg_publication_tables WHERE tablename = '{TABLE}'),
           (SELECT string_agg(stxname, ' ') FROM pg_statistic_ext WHERE stxrelid = '{TABLE}'::regclass),
           (SELECT attstattarget FROM pg_attribute WHERE attrelid = '{TABLE}'::regclass AND attname = 'name'),
           (SELECT string_agg(c.reloptions::text, ' ') FROM pg_class AS c
            WHERE c.relname IN ('{TABLE}', '{TABLE}_pkey'))"""


@pytest.mark.parametrize(
    "statement",
    [
        f"GRANT SELECT ON {TABLE} TO PUBLIC",
        f"REVOKE SELECT ON {TABLE} FROM pg_monitor",
        f"COMMENT ON TABLE {TABLE} IS 'all our goods'",
        f"COMMENT ON COLUMN {TABLE}.name IS 'what it is'",
        f"ALTER TABLE {TABLE} ALTER name SET STATISTICS 500",
        f"ALTER TABLE {TABLE} SET (fillfactor = 70)",
        f"ALTER INDEX {TABLE}_pkey SET (fillfactor = 70)",
        f"CREATE STATISTICS together ON id, name FROM {TABLE}",
        f"CREATE PUBLICATION told FOR TABLE {TABLE}",
    ],
)
async def test_what_the_table_is_given_while_the_rows_come_stays(in_postgres: Jobs, statement: str) -> None:
    """All of this goes on beside the rows: none of it asks for a lock that the run holds."""
    await in_postgres.table.execute(f"GRANT SELECT ON {TABLE} TO pg_monitor")
    await filled(in_postgres.job(OLD))
    async with postgres_session(in_postgres) as holder:
        await holder.execute("BEGIN")
        await holder.fetchval(f"SELECT count(*) FROM {TABLE}")
        running = asyncio.create_task(filled(in_postgres.job(NEW, mode="replace")))
        async with asyncio.timeout(20), postgres_session(in_postgres) as other:
            while not await other.fetchval(WAITS):
                pass
        await holder.execute(statement)
        expected = await holder.fetchrow(FACTS)
        await holder.execute("COMMIT")
        await running
    assert await is_replaced(in_postgres)
    assert await in_postgres.table.rows(FACTS) == [tuple(expected)]


async def test_a_view_that_is_made_meanwhile_shows_the_new_rows(in_postgres: Jobs) -> None:
    await filled(in_postgres.job(OLD))
    async with postgres_session(in_postgres) as holder, postgres_session(in_postgres) as other:
        await holder.execute(f"BEGIN; CREATE VIEW seen AS SELECT id FROM {TABLE}")
        running = asyncio.create_task(filled(in_postgres.job(NEW, mode="replace")))
        async with asyncio.timeout(20):
            while not await other.fetchval(WAITS):
                pass
        await holder.execute("COMMIT")
        await running
    assert await is_replaced(in_postgres)
    assert await in_postgres.table.rows("SELECT count(*) FROM seen") == [(3,)]


async def test_a_reader_who_never_lets_go_keeps_its_rows_and_the_others_get_the_new_ones(
    in_postgres: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgresql_work, "_LOCK_TRIES", 2)
    await in_postgres.table.execute(f"CREATE INDEX by_name ON {TABLE} (name)")
    await filled(in_postgres.job(OLD))
    indexes = await in_postgres.table.rows(f"SELECT indexdef FROM pg_indexes WHERE tablename = '{TABLE}'")
    async with postgres_session(in_postgres) as holder:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert await holder.fetchval(f"SELECT count(*) FROM {TABLE}") == 2
        outcome = await filled(in_postgres.job(NEW, mode="replace"))
        assert outcome.counts.inserted == 3
        assert await is_replaced(in_postgres)
        assert await holder.fetchval(f"SELECT count(*) FROM {TABLE}") == 2
    after = await in_postgres.table.rows(f"SELECT indexdef FROM pg_indexes WHERE tablename = '{TABLE}'")
    assert sorted(after) == sorted(indexes)

"""Replacing a table of PostgreSQL: nobody sees it empty, and what hangs on it stays."""

import asyncio
from typing import Any

import pytest

from services.etl.runner.executor import Executor
from services.etl.tables.definition import Location
from services.etl.tables.dialects._postgresql_marks import Marks
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.dialects.work import Sql
from services.etl.tables.physical import Mark, Place
from services.etl.tables.targets._postgresql_catalog import sight
from shared.identifiers import uuid7
from tests.integration.etl_data.jobs import TABLE, Jobs, failed, postgres_session, succeeded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]

HEADER = "id,name,price,sold\n"
OLD = HEADER + "1,a,1.00,\n2,b,2.00,\n"
NEW = HEADER + "2,b,2.00,\n3,c,3.00,\n4,d,4.00,\n"


async def swap_waits(connection: Any) -> None:
    """Until the swap waits for the table."""
    waits = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
    async with asyncio.timeout(20):
        while not await connection.fetchval(waits):
            pass


async def oid(jobs: Jobs) -> Any:
    return await jobs.table.rows(f"SELECT '{TABLE}'::regclass::oid")


async def replaced(jobs: Jobs, warm: Executor) -> bool:
    """Replace the rows; whether the table is another one now."""
    before = await oid(jobs)
    outcome = await succeeded(warm, jobs.job(NEW, mode="replace"))
    assert outcome.counts.written == 3
    assert [row[0] for row in await jobs.table.rows(f"SELECT id FROM {TABLE} ORDER BY id")] == [2, 3, 4]
    leftovers = await jobs.table.rows("SELECT relname FROM pg_class WHERE relname ~ '^_penstock_(new|old)'")
    assert leftovers == []
    return bool(await oid(jobs) != before)


async def test_a_plain_table_is_swapped_with_its_keys_indexes_grants_and_comments(
    in_postgres: Jobs, warm: Executor
) -> None:
    table = in_postgres.table
    for statement in (
        f"ALTER TABLE {TABLE} ADD UNIQUE (name), ADD CHECK (price > 0), ALTER price SET DEFAULT 7",
        f"CREATE INDEX odd ON {TABLE} ((lower(name)), price DESC) WHERE id > 1",
        f'CREATE UNIQUE INDEX "Odd ""2""" ON {TABLE} USING btree (sold, id)',
        f"ALTER TABLE {TABLE} ADD doubled numeric GENERATED ALWAYS AS (price * 2) STORED",
        f"COMMENT ON TABLE {TABLE} IS E'it''s \\\\ goods'",
        f"COMMENT ON COLUMN {TABLE}.name IS 'what it is'",
        "CREATE ROLE reader_of_goods",
        f"GRANT SELECT, INSERT ON {TABLE} TO reader_of_goods WITH GRANT OPTION",
        f"GRANT SELECT ON {TABLE} TO PUBLIC",
    ):
        await table.execute(statement)
    try:
        same = f"'{TABLE}'::regclass"
        facts = (
            f"SELECT indexdef FROM pg_indexes WHERE tablename = '{TABLE}'",
            f"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = {same}",
            f"SELECT (aclexplode(relacl))::text FROM pg_class WHERE oid = '{TABLE}'::regclass",
            f"SELECT obj_description('{TABLE}'::regclass), col_description('{TABLE}'::regclass, 2)",
            f"SELECT * FROM information_schema.columns WHERE table_name = '{TABLE}'",
        )
        before = [sorted(await table.rows(fact), key=repr) for fact in facts]
        await succeeded(warm, in_postgres.job(OLD))
        assert await replaced(in_postgres, warm)
        assert [sorted(await table.rows(fact), key=repr) for fact in facts] == before
        assert await replaced(in_postgres, warm)
        assert [sorted(await table.rows(fact), key=repr) for fact in facts] == before
        ((analysed,),) = await table.rows(f"SELECT reltuples FROM pg_class WHERE oid = '{TABLE}'::regclass")
        assert analysed == 3
    finally:
        await table.execute("DROP OWNED BY reader_of_goods; DROP ROLE reader_of_goods")


async def test_a_swapped_table_is_the_published_one_to_an_inspection(
    in_postgres: Jobs, warm: Executor
) -> None:
    """The mark goes by the name; keys and indexes have theirs: nothing is adrift after a replacement."""
    await in_postgres.table.execute(f"CREATE INDEX by_name ON {TABLE} (name)")
    await in_postgres.table.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT one UNIQUE (name, sold)")
    location = Location("public", TABLE)
    mark = Mark(uuid7(), 3, "fingerprint")
    for statement in Marks(Sql(f'"public"."{MARKS}"')).published(location, mark):
        await in_postgres.table.execute(statement.sql)
    place = Place(mark.table_id, location, (TABLE,))
    async with postgres_session(in_postgres) as looking:
        before = await sight(looking, place, measured=False)
        assert await replaced(in_postgres, warm)
        after = await sight(looking, place, measured=False)
    assert (before.mark, before.name) == (mark, TABLE)
    assert after == before


HANGING = {
    "a view": f"CREATE VIEW seen AS SELECT name FROM {TABLE}",
    "a materialized view": f"CREATE MATERIALIZED VIEW kept AS SELECT name FROM {TABLE}",
    "a trigger": (
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        f" CREATE TRIGGER noting BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION noted()"
    ),
    "a policy": f"CREATE POLICY mine ON {TABLE} USING (id > 0)",
    "an identity": f"ALTER TABLE {TABLE} ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY",
    "a serial number": f"ALTER TABLE {TABLE} ADD COLUMN number bigserial",
    "a foreign key of its own": (
        f"CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('a'), ('b'), ('c'), ('d');"
        f" ALTER TABLE {TABLE} ADD FOREIGN KEY (name) REFERENCES names"
    ),
    "a statistics target": f"ALTER TABLE {TABLE} ALTER name SET STATISTICS 500",
    "extended statistics": f"CREATE STATISTICS together ON id, name FROM {TABLE}",
    "a publication": f"CREATE PUBLICATION told FOR TABLE {TABLE}",
    "a publication of everything": "CREATE PUBLICATION told FOR ALL TABLES",
    "an option": f"ALTER TABLE {TABLE} SET (fillfactor = 70)",
    "an option of a column": f"ALTER TABLE {TABLE} ALTER name SET (n_distinct = 5)",
    "a grant on a column": f"GRANT SELECT (name) ON {TABLE} TO PUBLIC",
    "a deferrable key": f"ALTER TABLE {TABLE} ADD UNIQUE (name) DEFERRABLE",
    "a check that was not validated": f"ALTER TABLE {TABLE} ADD CHECK (id > 1) NOT VALID",
    "an exclusion": f"ALTER TABLE {TABLE} ADD EXCLUDE USING btree (name WITH =)",
    "a comment on an index": f"COMMENT ON INDEX {TABLE}_pkey IS 'the key'",
    "a replica identity": f"ALTER TABLE {TABLE} REPLICA IDENTITY FULL",
    "a function that takes a row": (
        f"CREATE FUNCTION shown({TABLE}) RETURNS text LANGUAGE sql AS 'SELECT $1.name'"
    ),
    "a column of its type": f"CREATE TABLE boxed (content {TABLE})",
    "a child": f"CREATE TABLE small_{TABLE} () INHERITS ({TABLE})",
    "grants by default": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "clustering": f"ALTER TABLE {TABLE} CLUSTER ON {TABLE}_pkey",
}


@pytest.mark.parametrize("statement", HANGING.values(), ids=HANGING)
async def test_a_table_with_something_that_a_new_one_lacks_stays_the_same_table(
    in_postgres: Jobs, warm: Executor, statement: str
) -> None:
    await succeeded(warm, in_postgres.job(OLD))
    for part in statement.split("; ") if "FUNCTION noted" not in statement else [statement]:
        await in_postgres.table.execute(part)
    assert not await replaced(in_postgres, warm)


async def test_a_view_shows_the_new_rows(in_postgres: Jobs, warm: Executor) -> None:
    await succeeded(warm, in_postgres.job(OLD))
    await in_postgres.table.execute(f"CREATE VIEW seen AS SELECT id FROM {TABLE}")
    await replaced(in_postgres, warm)
    assert await in_postgres.table.rows("SELECT count(*) FROM seen") == [(3,)]


async def test_rules_and_triggers_that_keep_rows_are_told(in_postgres: Jobs, warm: Executor) -> None:
    await succeeded(warm, in_postgres.job(OLD))
    await in_postgres.table.execute(
        "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    await in_postgres.table.execute(
        f"CREATE TRIGGER keeping BEFORE DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION kept()"
    )
    outcome = await failed(warm, in_postgres.job(NEW, mode="replace"))
    assert outcome.code == "target_refused"
    assert "keeps rows from being deleted" in outcome.message
    await in_postgres.table.execute(f"CREATE RULE never AS ON DELETE TO {TABLE} DO INSTEAD NOTHING")
    outcome = await failed(warm, in_postgres.job(NEW, mode="replace"))
    assert (outcome.code, await in_postgres.table.rows(f"SELECT count(*) FROM {TABLE}")) == (
        "target_unfit", [(2,)],
    )  # fmt: skip


async def test_a_table_that_others_refer_to_needs_a_key_for_its_replacement(
    in_postgres: Jobs, warm: Executor
) -> None:
    await in_postgres.table.execute(f"CREATE TABLE part (goods bigint REFERENCES {TABLE})")
    outcome = await failed(warm, in_postgres.job(NEW, mode="replace", key=[]))
    assert outcome.code == "target_unfit"
    assert "foreign keys point at it" in outcome.message


@pytest.mark.parametrize("hanging", [False, True], ids=["swapped", "rewritten"])
async def test_no_reader_ever_finds_the_table_empty_or_gone(
    in_postgres: Jobs, warm: Executor, hanging: bool
) -> None:
    """Readers of all kinds: each statement by itself, a prepared one, and one with a snapshot from before."""
    await succeeded(warm, in_postgres.job(OLD))
    if hanging:
        await in_postgres.table.execute(f"CREATE VIEW seen AS SELECT id FROM {TABLE}")
    done, seen = asyncio.Event(), list[int]()

    async def look() -> None:
        async with postgres_session(in_postgres) as reader:
            prepared = await reader.prepare(f"SELECT count(*) FROM {TABLE}")
            while not done.is_set():
                seen.append(await reader.fetchval(f"SELECT count(*) FROM {TABLE}"))
                seen.append(await prepared.fetchval())

    async with postgres_session(in_postgres) as old:
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await old.fetchval("SELECT 1")
        looking = asyncio.create_task(look())
        for _ in range(3):
            await replaced(in_postgres, warm)
        assert await old.fetchval(f"SELECT count(*) FROM {TABLE}") in {2, 3}
    done.set()
    await looking
    assert set(seen) <= {2, 3}
    assert 3 in seen


async def test_a_reader_that_holds_the_table_delays_the_swap_and_nobody_else(
    in_postgres: Jobs, warm: Executor
) -> None:
    await succeeded(warm, in_postgres.job(OLD))
    async with postgres_session(in_postgres) as holder, postgres_session(in_postgres) as other:
        await holder.execute("BEGIN")
        await holder.fetchval(f"SELECT count(*) FROM {TABLE}")
        running = asyncio.create_task(replaced(in_postgres, warm))
        await swap_waits(other)
        await other.execute("SET statement_timeout = '2s'")
        assert await other.fetchval(f"SELECT count(*) FROM {TABLE}") == 2
        await holder.execute("COMMIT")
        assert await running


async def test_a_user_who_may_not_see_all_rows_replaces_none(in_postgres: Jobs, warm: Executor) -> None:
    """Row security hides rows from DELETE without a word: it is switched off, which is an error instead."""
    await succeeded(warm, in_postgres.job(OLD))
    for statement in (
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
        "GRANT ALL ON SCHEMA public TO clerk",
        f"GRANT ALL ON {TABLE}, _penstock_ledger, _penstock_fence TO clerk",
        f"CREATE POLICY their ON {TABLE} USING (id > 1)",
        f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
    ):
        await in_postgres.table.execute(statement)
    try:
        wire = in_postgres.job(NEW, mode="replace").to_wire()
        wire["target"]["connection"]["connection"] |= {"user": "clerk", "password": "clerk"}
        outcome = await failed(warm, type(in_postgres.job(NEW)).model_validate(wire))
        assert outcome.code == "target_refused"
        assert await in_postgres.table.rows(f"SELECT count(*) FROM {TABLE}") == [(2,)]
    finally:
        await in_postgres.table.execute("DROP OWNED BY clerk; DROP ROLE clerk")


@pytest.mark.parametrize("kind", ["loosely", "text COLLATE loose"])
async def test_an_upsert_sees_a_change_that_the_columns_collation_does_not(
    in_postgres: Jobs, warm: Executor, kind: str
) -> None:
    await in_postgres.table.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    await in_postgres.table.execute("CREATE DOMAIN loosely AS text COLLATE loose")
    await in_postgres.table.execute(f"ALTER TABLE {TABLE} ALTER name TYPE {kind}")
    await succeeded(warm, in_postgres.job(OLD, mode="upsert"))
    outcome = await succeeded(warm, in_postgres.job(HEADER + "1,A,1.00,\n", mode="upsert"))
    assert outcome.counts.updated == 1

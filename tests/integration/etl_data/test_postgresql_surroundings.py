"""What users have set, hung and changed in PostgreSQL: nothing of it bends rows or counts."""

import pytest

from services.etl.destinations._postgresql_sql import lock_number
from services.etl.pipeline.definition import History, WriteMode
from services.etl.pipeline.job import Job
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import TABLE, Jobs, columns_of, failed, retyped, succeeded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.postgres]

HEADER = "id,name,price,sold\n"
ONE = HEADER + "1,bolt,1.25,2026-01-02T10:20:30.5Z\n"
TIMES = {"valid_from": "timestamptz", "valid_to": "timestamptz"}
DECLARED = {"double precision": "float64"}
KIND = "CREATE TYPE kind AS ENUM ('bolt'); ALTER TABLE goods ALTER name TYPE kind USING name::kind"


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize(
    ("declared", "value", "drifted"),
    [
        ("decimal(14,2)", "1.25", "double precision"),
        ("decimal(14,2)", "1.25", "real"),
        ("decimal(14,2)", "1.25", "numeric(14,1)"),
        ("int64", "9007199254740993", "double precision"),
        ("float64", "0.1", "real"),
        ("float64", "0.1", "numeric(14,2)"),
        ("int64", "7", "boolean"),
        ("timestamptz", "2026-01-02T10:20:30.5Z", "date"),
        ("timestamptz", "2026-01-02T10:20:30.5Z", "timestamp"),
        ("timestamp", "2026-01-02T10:20:30.5", "timestamptz"),
        ("timestamp", "2026-01-02T10:20:30.5", "time"),
        ("timestamp", "2026-01-02T10:20:30.5", "date"),
        ("text", "a ", "character(1)"),
        ("text", "a ", "character varying(1)"),
        ("varchar(9)", "a ", "character varying(1)"),
        ("text", "1.0625", "numeric(50,3)"),
        ("text", "a ", "short"),
        ("decimal(14,2)", "1.25", "coarse"),
        ("text", "1.25", "coarse"),
        ("text", "a", "uuid"),
        ("boolean", "true", "integer"),
    ],
)
async def test_a_column_that_has_another_type_bends_no_value(  # noqa: PLR0917  the cases of a table
    in_postgres: Jobs, warm: Executor, declared: str, value: str, drifted: str, as_text: bool
) -> None:
    jobs = await retyped(in_postgres, {"id": "int64", "value": declared, "name": "text"})
    await jobs.table.execute("CREATE DOMAIN shorter AS varchar(1); CREATE DOMAIN short AS shorter")
    await jobs.table.execute("CREATE DOMAIN coarse AS numeric(14,1) CHECK (value > 0)")
    await jobs.table.execute(f"ALTER TABLE {TABLE} DROP value, ADD value {drifted}")
    if as_text:
        await jobs.table.execute(KIND)
    outcome = await failed(warm, jobs.job(f"id,value,name\n1,{value},bolt\n"))
    assert (outcome.code, outcome.transient) in {("target_unfit", False), ("target_refused", False)}
    assert await jobs.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("interval", "1 month", "30 days"),
        ("box", "(1,1),(0,0)", "(2,2),(1,1)"),
        ("path", "((0,0),(1,1))", "((0,0),(5,5))"),
        ("circle", "<(0,0),1>", "<(1,1),1>"),
        ("json[]", "{1}", "{2}"),
        ("text", "a", "A"),
        ("double precision", "0", "-0"),
        ("double precision[]", "{0}", "{-0}"),
    ],
)
@pytest.mark.parametrize("mode", ["upsert", "scd2"])
async def test_a_change_is_one_whatever_the_type_takes_for_equal(  # noqa: PLR0917  the cases of a table
    in_postgres: Jobs, warm: Executor, mode: WriteMode, kind: str, old: str, new: str
) -> None:
    jobs = await retyped(in_postgres, {"id": "int64", "value": DECLARED.get(kind, "text")})
    await jobs.table.execute(f"ALTER TABLE {TABLE} DROP value, ADD value {kind}")
    await jobs.table.execute(f"ALTER TABLE {TABLE} ADD valid_from timestamptz, ADD valid_to timestamptz")
    if mode == "scd2":
        await jobs.table.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey")
    history = History() if mode == "scd2" else None
    target = columns_of({**jobs.types, **TIMES}) if history else None
    for value, counted in ((old, (1, 0)), (new, (0, 1)), (new, (0, 0))):
        job = jobs.job(f'id,value\n1,"{value}"\n', mode=mode, history=history, target=target)
        counts = (await succeeded(warm, job)).counts
        assert (counts.inserted, counts.updated) == counted


@pytest.mark.parametrize("mode", ["upsert", "insert_only", "replace", "append", "scd2"])
async def test_a_trigger_that_drops_a_row_in_silence_is_told(
    in_postgres: Jobs, warm: Executor, mode: WriteMode
) -> None:
    await in_postgres.table.execute(
        "CREATE FUNCTION dropped() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 2 THEN"
        f" RETURN NULL; END IF; RETURN NEW; END'; CREATE TRIGGER dropping BEFORE INSERT ON {TABLE}"
        " FOR EACH ROW EXECUTE FUNCTION dropped()"
    )
    await in_postgres.table.execute(
        f"ALTER TABLE {TABLE} ADD valid_from timestamptz, ADD valid_to timestamptz,"
        f" DROP CONSTRAINT {TABLE}_pkey, ADD UNIQUE (id{', valid_from' * (mode == 'scd2')})"
    )
    history = History() if mode == "scd2" else None
    target = columns_of({**in_postgres.types, **TIMES}) if history else None
    outcome = await failed(
        warm, in_postgres.job(ONE + "2,nut,1.00,\n", mode=mode, history=history, target=target)
    )
    assert outcome.code in {"target_refused", "counts_differ"}
    assert await in_postgres.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]


async def test_versions_are_not_kept_where_rules_change_what_is_said(
    in_postgres: Jobs, warm: Executor
) -> None:
    await in_postgres.table.execute(
        f"ALTER TABLE {TABLE} ADD valid_from timestamptz, ADD valid_to timestamptz,"
        f" DROP CONSTRAINT {TABLE}_pkey"
    )
    target = columns_of({**in_postgres.types, **TIMES})
    await succeeded(warm, in_postgres.job(ONE, mode="scd2", history=History(), target=target))
    await in_postgres.table.execute(f"CREATE RULE never AS ON UPDATE TO {TABLE} DO INSTEAD NOTHING")
    changed = in_postgres.job(ONE.replace("bolt", "nut"), mode="scd2", history=History(), target=target)
    outcome = await failed(warm, changed)
    assert outcome.code == "target_unfit"
    assert "rules" in outcome.message


async def test_settings_of_the_user_change_no_promise(in_postgres: Jobs, warm: Executor) -> None:
    """Isolation, durability and spellings that somebody has set for the whole database."""
    dsn = in_postgres.table.dsn  # type: ignore[attr-defined]  # it is PostgreSQL's
    await in_postgres.table.execute("CREATE TABLE told (isolation text, durable text)")
    await in_postgres.table.execute(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.told VALUES"
        " (current_setting('transaction_isolation'), current_setting('synchronous_commit')); RETURN NULL;"
        f" END $$; CREATE TRIGGER telling AFTER INSERT ON {TABLE} EXECUTE FUNCTION tell()"
    )
    for setting in (
        "default_transaction_isolation = 'serializable'",
        "synchronous_commit = off",
        "DateStyle = 'German, DMY'",
        "TimeZone = 'Asia/Kathmandu'",
        "extra_float_digits = -15",
        "standard_conforming_strings = off",
        "search_path = ''",
    ):
        await in_postgres.table.execute(f'ALTER DATABASE "{dsn.database}" SET {setting}')
    for mode in ("append", "upsert", "replace"):
        await succeeded(warm, in_postgres.job(ONE.replace("1,bolt", f"{len(mode)},bolt"), mode=mode))
    settings = await in_postgres.table.rows("SELECT DISTINCT isolation, durable FROM public.told")
    assert settings == [("read committed", "local")]
    stored = await in_postgres.table.rows(
        f"SELECT name, price::text, (sold AT TIME ZONE 'UTC')::text FROM public.{TABLE}"
    )
    assert stored == [("bolt", "1.25", "02.01.2026 10:20:30.5")]


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace", "scd2"])
async def test_sixteen_hundred_columns(in_postgres: Jobs, warm: Executor, mode: WriteMode) -> None:
    """As many as a table can have; one fewer where rows are told apart."""
    history = History() if mode == "scd2" else None
    width = 1600 if mode in {"append", "replace"} else 1599
    names = [f"c{number}" for number in range(width - 1 - 2 * bool(history))]
    in_postgres.types = {"id": "int64"} | dict.fromkeys(names, "int16")
    times = "valid_from timestamptz, valid_to timestamptz" if history else "PRIMARY KEY (id)"
    spelled = ", ".join(["id bigint NOT NULL", *[f"{name} int2" for name in names], times])
    await in_postgres.table.execute(f"DROP TABLE {TABLE}")
    await in_postgres.table.execute(f"CREATE TABLE {TABLE} ({spelled})")
    target = columns_of({**in_postgres.types, **TIMES}, required=["id"]) if history else None
    declared = [{"name": name, "type": kind} for name, kind in in_postgres.types.items()]
    for number in (1, 2):
        key = number if mode == "append" else 1
        content = ",".join(["id", *names]) + f"\n{key}" + f",{number}" * len(names) + "\n"
        source = {"columns": declared}
        await succeeded(
            warm, in_postgres.job(content, mode=mode, history=history, target=target, source=source)
        )


async def test_a_session_that_is_not_ours_to_end_is_waited_for(in_postgres: Jobs, warm: Executor) -> None:
    """An attempt from before the resource got another user, which may not end it."""
    dsn, job = in_postgres.table.dsn, in_postgres.job(ONE)  # type: ignore[attr-defined]  # PostgreSQL's
    await succeeded(warm, in_postgres.job(HEADER))
    wire = in_postgres.job(ONE).to_wire()
    wire["target"]["connection"]["connection"] |= {"user": "clerk", "password": "clerk"}
    for statement in (
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
        f"GRANT ALL ON {TABLE}, _penstock_ledger, _penstock_fence TO clerk",
    ):
        await in_postgres.table.execute(statement)
    holder = await dsn.connect()
    try:
        await holder.execute(f"SET application_name = 'penstock {job.run_id.hex} 0'")
        await holder.execute("BEGIN")
        await holder.fetchval("SELECT pg_advisory_xact_lock($1)", lock_number(job.table_key))
        outcome = await failed(warm, Job.model_validate(wire))
        assert (outcome.code, outcome.transient) == ("target_busy", True)
    finally:
        await holder.close()
        await in_postgres.table.execute("DROP OWNED BY clerk; DROP ROLE clerk")


@pytest.mark.parametrize(
    ("ungranted", "mode", "told"),
    [
        ("CREATE ON SCHEMA public", "append", "it needs CREATE on the schema"),
        ("TEMPORARY ON DATABASE", "upsert", "TEMPORARY on the database"),
        (f"SELECT ON {TABLE}", "append", None),
    ],
)
async def test_a_user_who_lacks_a_privilege_is_told_which(
    in_postgres: Jobs, warm: Executor, ungranted: str, mode: WriteMode, told: str | None
) -> None:
    database = in_postgres.table.dsn.database  # type: ignore[attr-defined]  # it is PostgreSQL's
    ungranted = ungranted.replace("DATABASE", f'DATABASE "{database}"')
    wire = in_postgres.job(ONE, mode=mode).to_wire()
    wire["target"]["connection"]["connection"] |= {"user": "clerk", "password": "clerk"}
    for statement in (
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
        f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC',
        f'GRANT TEMPORARY ON DATABASE "{database}" TO clerk',
        "GRANT CREATE, USAGE ON SCHEMA public TO clerk",
        f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO clerk",
        f"REVOKE {ungranted} FROM clerk",
    ):
        await in_postgres.table.execute(statement)
    try:
        if told is None:
            await succeeded(warm, Job.model_validate(wire))
        else:
            outcome = await failed(warm, Job.model_validate(wire))
            assert outcome.code == "target_refused"
            assert told in outcome.message
    finally:
        await in_postgres.table.execute("DROP OWNED BY clerk; DROP ROLE clerk")

"""What a dry run shows is what a run says: the SQL of each target, as its server has heard it."""

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from services.etl.columns import Columns
from services.etl.destinations._target import Surroundings
from services.etl.pipeline.definition import History
from services.etl.pipeline.job import Counts, Job
from services.etl.pipeline.targets import target_for
from shared.engines import postgresql, sqlite
from tests.contract.etl_data.test_targets import write
from tests.integration.etl_data.jobs import POLICY, Jobs, PostgresTable, SqliteTable, columns_of

MODES = ["append", "upsert", "insert_only", "replace", "scd2"]
HEADER = "id,name,price,sold\n"
VERSIONED = {
    "id": "int64", "name": "text", "valid_from": "timestamptz", "valid_to": "timestamptz", "ok": "boolean",
}  # fmt: skip


def normal(statement: str) -> str:
    """A statement without what only the run knows: its id, its numbers, its way of spelling COPY."""
    statement = re.sub(r"[0-9a-f]{32}|<run>", "RUN", statement)
    statement = re.sub(r"\s*\([^()]*FORMAT[^()]*\)|\s*\(FREEZE true\)", "", statement, flags=re.IGNORECASE)
    statement = re.sub(r"CREATE TEMPORARY TABLE _penstock_stage \(.*\)", "CREATE STAGE", statement)
    return " ".join(statement.replace('"', "").split()).rstrip("; ")


async def carried_out(jobs: Jobs, mode: Any) -> tuple[Job, Columns]:
    """A run of a target in this process, without a pipeline before it."""
    history = History(active="ok", absent="close") if mode == "scd2" else None
    if history:
        jobs.types = VERSIONED
    target = columns_of(jobs.types)
    await jobs.table.create(target, key=["id", "valid_from"] if history else ["id"])
    job = jobs.job(HEADER, mode=mode, history=history, target=target, stream="task")
    columns = Columns(one for one in target if one.name in {"id", "name"} or not history)
    kind = target_for(job.table.connection.connection.type)
    made = kind(job, columns, Surroundings(POLICY))
    await made.prepare()
    await write(made, [1, 2])
    await made.commit(Counts(cursor="7"))
    await made.abandon()
    return job, columns


def shown(job: Job, columns: Columns) -> list[str]:
    kind = target_for(job.table.connection.connection.type)
    return [normal(one) for one in kind.script(job, columns) if not one.startswith("--")]


def in_order(wanted: Sequence[str], heard: Sequence[str]) -> list[str]:
    """Those of the wanted statements that were not heard, in this order."""
    missing, at = [], 0
    for one in wanted:
        found = next((place for place in range(at, len(heard)) if heard[place] == one), None)
        if found is None:
            missing.append(one)
        else:
            at = found + 1
    return missing


@pytest.mark.parametrize("mode", MODES)
async def test_sqlite_hears_what_is_shown(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    heard = list[str]()
    connect = sqlite.connect

    def listening(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **named)
        connection.set_trace_callback(lambda statement: heard.append(normal(statement)))
        return connection

    monkeypatch.setattr(sqlite, "connect", listening)
    job, columns = await carried_out(Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path), mode)
    wanted = [re.sub(r"\?\d?", "?", one) for one in shown(job, columns)]
    until = next((at for at, one in enumerate(wanted) if one.startswith("CREATE STAGE")), len(wanted))
    if mode == "replace":
        tail = next(at for at, one in enumerate(wanted) if one.startswith("SELECT fence") and at > until)
        wanted = wanted[:until] + wanted[tail:]
    assert in_order([_shape(one) for one in wanted], [_shape(one) for one in heard]) == []


def _shape(statement: str) -> str:
    """A statement whose values are marks: SQLite's trace has filled them in."""
    return re.sub(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\bNULL\b|\?", "?", statement)


@pytest.mark.postgres
@pytest.mark.parametrize("mode", MODES)
async def test_postgresql_hears_what_is_shown(
    postgres_database: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    heard = list[str]()
    connect = postgresql.connect

    async def listening(*given: Any, **named: Any) -> Any:
        connection = await connect(*given, **named)
        connection.add_query_logger(lambda query: heard.append(normal(query.query)))
        return connection

    monkeypatch.setattr(postgresql, "connect", listening)
    job, columns = await carried_out(Jobs(PostgresTable(postgres_database), tmp_path), mode)
    wanted = shown(job, columns)
    if mode == "replace":
        other = next(at for at, one in enumerate(wanted) if one.startswith("CREATE TEMPORARY"))
        tail = next(at for at, one in enumerate(wanted) if one.startswith("SELECT fence"))
        wanted = wanted[:other] + wanted[tail:]
    wanted = [one for one in wanted if one not in {"BEGIN", "COMMIT"} and not one.startswith("COPY")]
    assert in_order(wanted, heard) == []

"""Values in MySQL and MariaDB: they come exactly, or are rejected, and are never something else."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pyarrow as pa
import pytest

from services.etl.columns import Columns
from services.etl.destinations._target import Encoded, Rows, Surroundings
from services.etl.destinations.mysql import Mysql
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import Counts
from services.etl.runner.executor import Executor
from services.etl.runner.messages import Succeeded
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, retyped, run, succeeded

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.mariadb,
    pytest.mark.usefixtures("transport"),
]


async def test_numbers_texts_and_times_come_exactly(in_mysql: Jobs, warm: Executor) -> None:
    types = {"id": "int64", "d": "decimal(38,10)", "t": "text", "f": "float64", "z": "timestamptz"}
    jobs = await retyped(in_mysql, types)
    text = 'it\'s \\ "here"; -- %s \U0001f600'
    rows = [
        "-9223372036854775808,1234567890123456789012345678.0123456789,,4.9e-324,1000-01-01T00:00:00Z",
        "9223372036854775807,-0.0000000001,,1.7976931348623157e308,9999-12-31T23:59:59.999999Z",
        f'3,,"{text.replace(chr(34), chr(34) * 2)}",0.1,2026-01-31T12:00:00.000001+05:30',
    ]
    await succeeded(warm, jobs.job("id,d,t,f,z\n" + "\n".join(rows) + "\n"))
    found = await jobs.table.rows()
    assert [(row[0], row[1]) for row in found] == [
        (-(2**63), Decimal("1234567890123456789012345678.0123456789")),
        (3, None),
        (2**63 - 1, Decimal("-0.0000000001")),
    ]
    assert (found[1][2], found[0][2]) == (text, None)
    assert [row[3] for row in found] == [5e-324, 0.1, 1.7976931348623157e308]
    assert [str(row[4]) for row in found] == [
        "1000-01-01 00:00:00",
        "2026-01-31 06:30:00.000001",
        "9999-12-31 23:59:59.999999",
    ]


async def test_what_the_server_does_not_keep_is_rejected_with_its_reason(
    in_mysql: Jobs, warm: Executor
) -> None:
    types = {"id": "int64", "v": "varchar(3)", "f": "float64", "s": "timestamp", "d": "date"}
    jobs = await retyped(in_mysql, types)
    content = (
        "id,v,f,s,d\n1,abcd,,,\n2,,-0.0,,\n3,,,0999-12-31 23:59:59,\n4,,,,0999-12-31\n"
        "5,abc,0.0,1000-01-01 00:00:00,1000-01-01\n9223372036854775808,,,,\n"
    )
    outcome, heard = await run(warm, jobs.job(content, limits=Limits(max_rejects=10)))
    assert isinstance(outcome, Succeeded)
    assert {(reject.record, reject.column, reject.code) for reject in heard.rejects} == {
        (1, "v", "too_long"),
        (2, "f", "negative_zero"),
        (3, "s", "out_of_range"),
        (4, "d", "out_of_range"),
        (6, "id", "out_of_range"),
    }
    assert [row[0] for row in await jobs.table.rows()] == [5]


async def test_a_nul_and_every_other_character_is_kept_in_a_text(in_mysql: Jobs) -> None:
    job = in_mysql.job("id,name,price,sold\n")
    target = Mysql(job, Columns(job.table.columns), Surroundings(POLICY))
    text = "".join(map(chr, [*range(0x180), 0x2028, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF]))
    batch = pa.RecordBatch.from_pylist([{"id": 1, "name": text}], schema=arrow_schema(target.columns))

    async def encoded() -> AsyncIterator[Encoded]:
        yield target.encode(Rows(batch, target.columns))

    await target.prepare()
    await target.write(encoded())
    await target.commit(Counts())
    await target.abandon()
    assert await in_mysql.table.rows(f"SELECT name FROM {TABLE}") == [(text,)]

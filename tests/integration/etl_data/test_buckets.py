"""Objects of a bucket as sources: found, fetched, loaded once, whatever trouble the store has."""

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import Job, JobSource
from services.etl.previews.definition import PreviewSpec
from services.etl.previews.pipeline import PipelineSpec
from services.etl.runner.executor import Executor
from shared.contracts.connection import S3Connection
from shared.identifiers import uuid7
from tests.integration.etl_data.jobs import Jobs, failed, run, succeeded
from tests.integration.etl_data.test_files import parquet
from tests.resources import handed_out
from tests.servers.s3 import SECRET_KEY, S3Server
from tests.unit.etl_data.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLUMNS = [{"name": "id", "type": "int64"}, {"name": "name", "type": "text"}]
ROWS = [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
FILES = {
    "csv": gzip.compress(b"id,name\n1,bolt\n2,nut\n"),
    "json": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
    "excel": workbook({"goods": [["id", "name"], *(list(row.values()) for row in ROWS)]}),
    "parquet": parquet(ROWS),
}


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server(page=2) as running:
        yield running


def source_of(server: S3Server, loader: str = "csv", *, pattern: str = "in/*", **given: Any) -> JobSource:
    """A source of the bucket's objects."""
    connection = {name: given.pop(name) for name in list(given) if name in S3Connection.model_fields}
    return JobSource(
        loader=loader,
        params={"resource_id": str(uuid7()), "pattern": pattern, "columns": COLUMNS, **given},
        connection=handed_out(TypeAdapter(S3Connection).validate_python(server.connection(**connection))),
    )


def job_of(jobs: Jobs, source: JobSource) -> Job:
    """The job that loads the source into the table."""
    return jobs.job("", limits=Limits(max_rejects=9)).model_copy(update={"source": source})


async def loaded(jobs: Jobs) -> list[tuple[Any, ...]]:
    """What is in the table."""
    return await jobs.table.rows("SELECT id, name FROM goods ORDER BY 1")


@pytest.mark.parametrize("loader", FILES)
async def test_what_a_preview_of_an_object_proposes_loads_it(
    loader: str, server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    server.put("in/goods", FILES[loader])
    source = source_of(server, loader)
    asked = {name: value for name, value in source.params.items() if name != "columns"}
    result = await warm.preview(PreviewSpec(source=source.model_copy(update={"params": asked})))
    assert result.rows == [["1", "bolt"], ["2", "nut"]]
    assert (result.size, result.complete) == (len(FILES[loader]), True)
    await succeeded(warm, job_of(in_sqlite, source.model_copy(update={"params": result.params})))
    assert await loaded(in_sqlite) == [(1, "bolt"), (2, "nut")]


async def test_many_objects_are_one_source_in_the_order_of_their_keys(
    server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    for at in (3, 1, 2):
        server.put(f"mine/in/part {at}+\u00e9.csv", f"id,name\n{at},n\nx,bad\n".encode())
    server.put("mine/in/", b"")
    server.put("mine/in/deeper/part 9.csv", b"id,name\n9,n\n")
    server.put("in/part 8.csv", b"id,name\n8,n\n")
    source = source_of(server, prefix="mine/", pattern="in/part*.csv", file_column="name",
                       columns=COLUMNS[:1], extra_columns="ignore")  # fmt: skip
    outcome, heard = await run(warm, job_of(in_sqlite, source))
    assert outcome.type == "succeeded", outcome
    assert await loaded(in_sqlite) == [(at, f"in/part {at}+\u00e9.csv") for at in (1, 2, 3)]
    assert [(reject.file, reject.record) for reject in heard.rejects] == [
        (f"in/part {at}+\u00e9.csv", 2) for at in (1, 2, 3)
    ]
    assert outcome.counts.bytes_read == sum(
        len(found.content) for key, found in server.objects.items() if key.startswith("mine/in/part")
    )


async def test_one_key_is_asked_for_without_a_list(server: S3Server, in_sqlite: Jobs, warm: Executor) -> None:
    server.put("in/goods.csv", b"id,name\n1,bolt\n")
    await succeeded(warm, job_of(in_sqlite, source_of(server, pattern="in/goods.csv")))
    assert server.requests == ["HEAD in/goods.csv", "GET in/goods.csv"]


@pytest.mark.parametrize("pattern", ["in/none.csv", "in/*.none"])
async def test_a_pattern_that_no_key_fits_is_told(
    pattern: str, server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    server.put("in/goods.csv", b"id,name\n1,bolt\n")
    outcome = await failed(warm, job_of(in_sqlite, source_of(server, pattern=pattern)))
    assert (outcome.code, outcome.transient) == ("files_missing", False)


async def test_a_broken_connection_costs_nothing_but_time(
    server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    content = b"id,name\n" + b"".join(b"%d,%s\n" % (at, b"n" * 200) for at in range(10_000))
    server.put("in/goods.csv", content)
    server.trouble(key="goods.csv", cut=1_500_000)
    server.trouble(key="goods.csv", status=503, code="SlowDown")
    done = await succeeded(warm, job_of(in_sqlite, source_of(server)))
    assert (done.counts.written, done.counts.bytes_read) == (10_000, len(content))


async def test_an_object_that_is_written_while_the_run_reads_leaves_nothing(
    server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    server.put("in/1.csv", b"id,name\n1,bolt\n")
    server.put("in/2.csv", b"id,name\n2,nut\n")
    server.trouble(key="1.csv", then=lambda: server.put("in/2.csv", b"id,name\n3,not\n"))
    outcome = await failed(warm, job_of(in_sqlite, source_of(server)))
    assert outcome.code == "source_changed"
    assert "'in/2.csv'" in outcome.message
    assert await loaded(in_sqlite) == []


@pytest.mark.parametrize(
    ("changes", "transient"),
    [
        ({"secret_key": "not the secret"}, False),
        ({"bucket": "missing"}, False),
        ({"endpoint": "http://127.0.0.1:9"}, True),
        ({"endpoint": "http://169.254.169.254"}, False),
    ],
)
async def test_a_store_that_refuses_ends_the_run_and_keeps_its_secrets(
    changes: dict[str, str], transient: bool, server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    outcome = await failed(warm, job_of(in_sqlite, source_of(server, **changes)))
    assert (outcome.code, outcome.transient) == ("connect_failed", transient)
    assert not any(secret in outcome.message for secret in (SECRET_KEY, "not the secret", "secret details"))


async def test_a_run_that_waits_for_the_store_can_be_cancelled(
    server: S3Server, in_sqlite: Jobs, warm: Executor
) -> None:
    server.put("in/1.csv", b"id,name\n1,bolt\n")
    held = server.trouble(key="1.csv", held=threading.Event())
    running = asyncio.ensure_future(run(warm, job_of(in_sqlite, source_of(server))))
    assert await asyncio.to_thread(held.come.wait, 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await loaded(in_sqlite) == []


async def test_a_preview_fetches_no_more_than_the_beginning(server: S3Server, warm: Executor) -> None:
    line = b"%07d," + b"n" * 92 + b"\n"
    content = b"id,name\n" + b"".join(line % at for at in range(400_000))
    server.put("in/goods.csv", content)
    source = source_of(server)
    result = await warm.preview(PreviewSpec(source=source, rows=3))
    assert (len(result.rows), result.size, result.complete) == (3, len(content), False)
    tried = await warm.preview_pipeline(PipelineSpec(source=source, steps=[], rows=2))
    assert [row.cells[0] for row in tried.steps[0].rows] == ["0", "1"]
    assert not tried.complete
    assert server.sent < 2 * (33 << 20)


async def test_a_preview_says_where_the_beginning_is_too_short(server: S3Server, warm: Executor) -> None:
    line = b"%04d," + b"n" * 40_000 + b"\n"
    server.put("in/goods.csv", b"id,name\n" + b"".join(line % at for at in range(1000)))
    tried = await warm.preview_pipeline(PipelineSpec(source=source_of(server), steps=[], rows=999))
    problem = tried.steps[0].problem
    assert problem is not None
    assert problem.code == "beginning_too_short"

"""Files of every kind on their way through a child: what they come to, and that a bad one leaves nothing."""

import gzip
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import Job, JobFile, JobSource
from services.etl.previews.definition import PreviewRefused, PreviewSpec
from services.etl.runner.executor import Executor
from shared.identifiers import uuid7
from tests.integration.etl_data.jobs import Jobs, failed, run, succeeded
from tests.unit.etl_data.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as Parquet."""
    target = BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), target)
    return target.getvalue()


FILES: dict[str, bytes] = {
    "csv": gzip.compress(b"id,name\n1,bolt\n2,nut\n"),
    "json": json.dumps(ROWS).encode(),
    "excel": workbook({"goods": [["id", "name"], *(list(row.values()) for row in ROWS)]}),
    "parquet": parquet(ROWS),
}
BAD: list[tuple[str, bytes, str]] = [
    (
        "csv",
        gzip.compress(b"id,name\n" + b"".join(b"%d,%s\n" % (at, b"x" * (1 << 20)) for at in range(80))),
        "compression_bomb",
    ),
    ("csv", gzip.compress(b"id,name\n1,x\n" * 99)[:-9], "compression_invalid"),
    ("json", b'{"id": 1, "name": "x"}\n{"id": 2, "surprise": 1}\n', "key_undeclared"),
    ("json", b'{"id": 1, "name": "x"}\n{"name": "' + b"y" * (9 << 20), "record_too_long"),
    ("excel", FILES["csv"], "workbook_invalid"),
    ("parquet", FILES["parquet"][:-20], "parquet_invalid"),
]
NAMED = [f"{loader}-{code}" for loader, _, code in BAD]
"""The names of these cases: their bytes hold the time when they were packed."""


def job_of(jobs: Jobs, loader: str, *contents: bytes, **params: Any) -> Job:
    """The job that loads files into the table."""
    files = []
    for at, content in enumerate(contents):
        path = jobs.folder / f"{uuid7().hex}-{at}"
        path.write_bytes(content)
        files.append(JobFile(name=f"goods-{at}", path=str(path), size=len(content)))
    columns = [{"name": "id", "type": "int64"}, {"name": "name", "type": "text"}]
    given = {"pattern": "goods-*", "columns": columns, **params}
    source = JobSource(loader=loader, params=given, files=files)
    job = jobs.job("", limits=Limits(max_rejects=9))
    return job.model_copy(update={"source": source})


def spec_of(path: Path, loader: str, **params: Any) -> PreviewSpec:
    """What a preview of a file is asked."""
    file = JobFile(name=path.name, path=str(path), size=path.stat().st_size)
    return PreviewSpec(source=JobSource(loader=loader, params=params, files=[file]))


@pytest.mark.parametrize("loader", FILES)
async def test_what_a_preview_proposes_loads_the_file(
    loader: str, in_sqlite: Jobs, warm: Executor, tmp_path: Path
) -> None:
    path = tmp_path / "goods"
    path.write_bytes(FILES[loader])
    result = await warm.preview(spec_of(path, loader))
    assert [(column.name, str(column.type)) for column in result.columns] == [
        ("id", "int64"),
        ("name", "text"),
    ]
    assert result.rows == [["1", "bolt"], ["2", "nut"]]
    params = {**result.params, "file_id": str(uuid7()), "pattern": None}
    await succeeded(warm, job_of(in_sqlite, loader, FILES[loader], **params))
    assert await in_sqlite.table.rows("SELECT id, name FROM goods") == [(1, "bolt"), (2, "nut")]


@pytest.mark.parametrize(("loader", "content", "code"), BAD, ids=NAMED)
async def test_a_file_that_turns_out_bad_leaves_nothing(
    loader: str, content: bytes, code: str, in_sqlite: Jobs, warm: Executor
) -> None:
    layout = {"layout": "lines"} if loader == "json" else {}
    outcome = await failed(warm, job_of(in_sqlite, loader, content, **layout))
    assert (outcome.code, outcome.transient) == (code, False)
    assert await in_sqlite.table.rows() == []


async def test_one_bad_file_among_many_is_named_and_none_is_loaded(in_sqlite: Jobs, warm: Executor) -> None:
    files = (b"id,name\n1,bolt\n", b"id,label\n2,nut\n", b"id,name\n3,nail\n")
    outcome = await failed(warm, job_of(in_sqlite, "csv", *files))
    assert outcome.code == "file_refused"
    assert "'goods-1'" in outcome.message
    assert [fault.code for fault in outcome.faults] == ["header_changed"]
    assert await in_sqlite.table.rows() == []


async def test_rejects_of_many_files_know_their_file_line_and_text(in_sqlite: Jobs, warm: Executor) -> None:
    files = (b"id,name\n1,bolt\n", b'id,name\n2,nut\nx,"na,il"\n', b"id,name\ny\n")
    outcome, heard = await run(warm, job_of(in_sqlite, "csv", *files))
    assert outcome.type == "succeeded", outcome
    assert [
        (reject.file, reject.record, reject.line, reject.column, reject.raw) for reject in heard.rejects
    ] == [("goods-1", 2, 3, "id", 'x,"na,il"'), ("goods-2", 1, 2, None, "y")]


async def test_rejected_records_alone_can_be_loaded_again(in_sqlite: Jobs, warm: Executor) -> None:
    files = (b"id,name\n1,bolt\nx,nut\n", b"id,name\n3,nail\n")
    job = job_of(in_sqlite, "csv", *files)
    again = job.model_copy(update={"source": job.source.model_copy(update={"records": [2, 3]})})
    outcome = await succeeded(warm, again)
    assert (outcome.counts.read, outcome.counts.written, outcome.counts.rejected) == (2, 1, 1)
    assert await in_sqlite.table.rows("SELECT id FROM goods") == [(3,)]


@pytest.mark.parametrize(("loader", "content", "code"), BAD[1:2] + BAD[4:], ids=NAMED[1:2] + NAMED[4:])
async def test_a_preview_of_a_bad_file_says_why(
    loader: str, content: bytes, code: str, warm: Executor, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(PreviewRefused) as raised:
        await warm.preview(spec_of(path, loader))
    assert [fault.code for fault in raised.value.all_faults()] == [code]

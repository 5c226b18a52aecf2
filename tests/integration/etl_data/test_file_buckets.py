"""Objects as destination: written once, whatever is delivered twice, lost or overtaken."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.etl.columns import Columns
from services.etl.destinations._target import Encoded
from services.etl.pipeline.errors import FenceOutdated, TargetBusy
from services.etl.pipeline.job import Counts, JobFileTarget
from services.etl.runner.executor import Executor
from tests.integration.etl_data.files import FileJobs, target_of
from tests.integration.etl_data.jobs import POLICY, columns_of, failed, succeeded
from tests.servers.s3 import S3Server

CONTENT = "id,name,price,sold\n1,one,1.50,2024-01-02T03:04:05Z\n2,,,\n"
LINES = (
    b'"id","name","price","sold"\n'
    b'1,"one",1.50,2024-01-02 03:04:05.000000Z\n'
    b"2,,,\n"
)  # fmt: skip
CSV = {"format": "csv", "compression": "none"}


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as made:
        yield made


@pytest.fixture
def jobs(tmp_path: Path, server: S3Server) -> FileJobs:
    return FileJobs(tmp_path, server=server)


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    made = Executor(policy=POLICY)
    await made.start()
    yield made
    await made.close()


async def test_rows_become_an_object_that_names_its_run(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    job = jobs.job(CONTENT, name="out/goods.csv", form=CSV)

    outcome = await succeeded(executor, job)

    stored = server.objects["out/goods.csv"]
    assert stored.content == LINES
    assert stored.metadata["penstock-run"] == job.run_id.hex
    assert outcome.file is not None
    assert (outcome.file.name, outcome.file.size, outcome.file.file_id) == ("out/goods.csv", len(LINES), None)


async def test_a_run_that_is_delivered_twice_writes_once(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    first = jobs.job(CONTENT, form=CSV)
    done = await succeeded(executor, first)
    written = server.objects["goods"].etag

    again = await succeeded(executor, jobs.job("id\n", form=CSV, run_id=first.run_id))

    assert (again.adopted, again.counts.written, again.counts.read) == (True, 2, 2)
    assert again.file == done.file
    assert server.objects["goods"].etag == written


async def test_an_object_takes_the_place_of_another(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    server.put("goods", b"by somebody else")

    await succeeded(executor, jobs.job(CONTENT, form=CSV))
    await succeeded(executor, jobs.job("id,name,price,sold\n", form=CSV))

    assert server.objects["goods"].content == b'"id","name","price","sold"\n'


async def test_a_new_object_wants_that_there_is_none(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    server.put("goods", b"by somebody else")

    outcome = await failed(executor, jobs.job(CONTENT, form=CSV, overwrite="new"))

    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert server.objects["goods"].content == b"by somebody else"


async def test_an_answer_that_is_lost_is_no_second_object(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    server.trouble(method="PUT", key="goods", lost=True)

    outcome = await succeeded(executor, jobs.job(CONTENT, form=CSV))

    assert (outcome.counts.written, server.objects["goods"].content) == (2, LINES)


async def test_a_bucket_that_is_away_is_tried_again_later(
    jobs: FileJobs, server: S3Server, executor: Executor
) -> None:
    server.trouble(method="HEAD", key="goods", status=503, times=100)

    outcome = await failed(executor, jobs.job(CONTENT, form=CSV))

    assert outcome.transient
    assert server.objects == {}


class Attempt:
    """An attempt in this process, up to its commit."""

    def __init__(self, jobs: FileJobs, folder: Path, **how: Any) -> None:
        self.job = jobs.job(CONTENT, form=CSV, **how)
        assert isinstance(self.job.target, JobFileTarget)
        folder.mkdir()
        self.target = target_of(self.job, _columns(jobs), folder)

    async def write(self) -> None:
        assert await self.target.prepare() is None
        await self.target.write(_nothing())


async def _nothing() -> AsyncIterator[Encoded]:
    for item in list[Encoded]():
        yield item


def _columns(jobs: FileJobs) -> Columns:
    return Columns(columns_of(jobs.types))


async def test_an_attempt_that_was_overtaken_cannot_write_over_its_successor(
    jobs: FileJobs, server: S3Server, tmp_path: Path
) -> None:
    old = Attempt(jobs, tmp_path / "old")
    await old.write()
    new = Attempt(jobs, tmp_path / "new", run_id=old.job.run_id)
    await new.write()
    await new.target.commit(Counts(read=7, written=7, inserted=7))
    kept = server.objects["goods"].etag

    with pytest.raises(TargetBusy):
        await old.target.commit(Counts(read=1, written=1, inserted=1))
    settled = await target_of(old.job, _columns(jobs)).settle()
    for attempt in (old, new):
        await attempt.target.abandon()

    assert server.objects["goods"].etag == kept
    assert settled is not None
    assert settled.read == 7


async def test_an_older_run_does_not_write_over_a_newer_one(
    jobs: FileJobs, server: S3Server, tmp_path: Path
) -> None:
    old, new = Attempt(jobs, tmp_path / "old"), Attempt(jobs, tmp_path / "new")
    await new.write()
    await new.target.commit(Counts())
    await new.target.abandon()

    with pytest.raises(FenceOutdated):
        await old.target.prepare()
    await old.target.abandon()


async def test_a_fence_that_no_run_has_is_none(jobs: FileJobs, server: S3Server, tmp_path: Path) -> None:
    server.put("goods", b"by somebody else")
    server.objects["goods"].metadata["penstock-fence"] = "9" * 5000
    attempt = Attempt(jobs, tmp_path / "new")

    await attempt.write()
    await attempt.target.commit(Counts())
    await attempt.target.abandon()

    assert server.objects["goods"].metadata["penstock-fence"] == str(attempt.job.fence)


async def test_a_run_that_wrote_nothing_is_settled_as_such(jobs: FileJobs, server: S3Server) -> None:
    server.put("goods", b"by somebody else")

    assert await target_of(jobs.job(CONTENT), _columns(jobs)).settle() is None

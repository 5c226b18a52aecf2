"""A disk that is full is no fault of the job: it is tried again."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.etl.loaders._csv_reader import CsvReading
from services.etl.runner import load
from services.etl.runner.messages import Failed
from tests.integration.etl_data.jobs import POLICY, Jobs, SqliteTable, columns_of


@pytest.mark.parametrize(
    ("number", "code", "transient"),
    [(errno.ENOSPC, "scratch_unavailable", True), (errno.EIO, "source_invalid", False)],
)
async def test_a_full_disk_is_trouble_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, *, transient: bool
) -> None:
    jobs = Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    await jobs.table.create(columns_of(jobs.types, required=["id"]))

    def fails(_: object) -> Iterator[object]:
        raise OSError(number, "no matter")

    monkeypatch.setattr(CsvReading, "__iter__", fails)
    job = jobs.job("id,name,price,sold\n1,a,1.50,\n", key=())
    ended = await load.run(job, policy=POLICY, tell=lambda _: None)
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.code, ended.outcome.transient) == (code, transient)

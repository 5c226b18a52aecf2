"""What a child logs: lines as those of the runner, with the run that they are about."""

import json
from pathlib import Path

import pytest

from tests.integration.etl_data.jobs import Jobs, SqliteTable, columns_of
from tests.integration.etl_runs.loading import executing


async def test_a_line_of_a_child_names_its_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    jobs = Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    job = jobs.job("id,name,price,sold\n1,a,1.50,\n", key=())
    for file in job.source.files:
        Path(file.path).unlink()

    async def ignored(_: object) -> None:
        pass

    async with executing() as executor:
        await executor.execute(job, ignored)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [(line["service"], line["run_id"]) for line in lines] == [("child", str(job.run_id))]

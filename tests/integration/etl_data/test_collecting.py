"""Columns that nobody declared, on their way into every kind of target."""

import json
from typing import Any

import pytest

from services.etl.pipeline.job import Job, JobFile
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import Jobs, columns_of, retyped, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = {"id": "int64", "rest": "json", "file": "text"}
FILES = (
    b"id,name\n1,bolt\n",
    'id,colour,name\n2,red,"n\u00fct ""M8""\\\n"\n'.encode(),
    b"size,id\n1.50,3\n,4\n",
)
ROWS = "SELECT id, rest, file FROM goods ORDER BY id"


def collecting(jobs: Jobs) -> Job:
    """A job that reads all files and collects what is not declared."""
    job = jobs.job("", target=columns_of(TYPES))
    files = []
    for at, content in enumerate(FILES):
        path = jobs.folder / f"goods-{at}.csv"
        path.write_bytes(content)
        files.append(JobFile(name=path.name, path=str(path), size=len(content)))
    params = {
        "pattern": "goods-*",
        "columns": [{"name": "id", "type": "int64"}],
        "extra_columns": "collect",
        "extra_column": "rest",
        "file_column": "file",
    }
    source = job.source.model_copy(update={"params": params, "files": files})
    return job.model_copy(update={"source": source})


async def test_undeclared_values_stand_in_every_kind_of_target(goods: Jobs, warm: Executor) -> None:
    jobs = await retyped(goods, TYPES)
    await succeeded(warm, collecting(jobs))
    found = [(key, _tree(rest), file) for key, rest, file in await jobs.table.rows(ROWS)]
    assert found == [
        (1, {"name": "bolt"}, "goods-0.csv"),
        (2, {"colour": "red", "name": 'n\u00fct "M8"\\\n'}, "goods-1.csv"),
        (3, {"size": "1.50"}, "goods-2.csv"),
        (4, None, "goods-2.csv"),
    ]


def _tree(rest: Any) -> Any:
    """Drivers give JSON as text or as what it says."""
    return json.loads(rest) if isinstance(rest, str | bytes) else rest

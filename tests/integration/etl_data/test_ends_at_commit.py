"""A process that is killed between writing and commit, or right after the commit, on every kind of target."""

import asyncio
import json
import signal
import sys
from typing import Any

import pytest

from services.etl.pipeline.job import Job
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import Jobs, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO = "id,name,price,sold\n1,bolt,0.10,\n2,,99999.99,\n"


async def killed(job: Job, when: str) -> None:
    """Run a job in a process that ends itself at its commit."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.etl_data.dies_at_commit", when, stdin=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        await process.communicate(json.dumps(job.to_wire()).encode() + b"\n")
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_what_was_written_without_a_commit_is_gone_and_comes_with_the_next_attempt(
    goods: Jobs, warm: Executor, mode: Any
) -> None:
    job = goods.job(TWO, mode=mode)
    await killed(job, "before")
    assert await goods.table.rows() == []
    assert await warm.settle(job) is None
    outcome = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": job.fence + 1}))
    assert (outcome.adopted, outcome.counts.inserted) == (False, 2)
    assert len(await goods.table.rows()) == 2


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_what_was_committed_is_found_and_adopted(goods: Jobs, warm: Executor, mode: Any) -> None:
    job = goods.job(TWO, mode=mode)
    await killed(job, "after")
    settled = await warm.settle(job)
    assert settled is not None
    assert settled.counts.inserted == 2
    outcome = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": job.fence + 1}))
    assert outcome.adopted
    assert len(await goods.table.rows()) == 2

"""A process that is killed between writing and commit, or right after the commit, on every kind of target."""

import asyncio
import json
import signal
import sys
from typing import Any

import pytest

from services.etl.pipeline.job import Job
from services.etl.pipeline.overlap import Overlap
from services.etl.pipeline.targets import target_for
from services.etl.runner import load
from services.etl.runner.executor import Executor
from services.etl.runner.messages import Failed, Phase, Succeeded
from tests.integration.etl_data.jobs import POLICY, Jobs, succeeded

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


async def ended(job: Job) -> load.Ended:
    """Run a job in this process; it is told to end when it says that it commits."""
    task = asyncio.current_task()
    assert task is not None

    def tell(message: object) -> None:
        if message == Phase(name="committing"):
            task.cancel()

    outcome = await load.run(job, policy=POLICY, tell=tell)
    task.uncancel()
    return outcome


@pytest.mark.parametrize("mode", ["append", "replace"])
async def test_who_is_to_end_while_it_commits_says_what_became_of_the_rows(goods: Jobs, mode: Any) -> None:
    found = await ended(goods.job(TWO, mode=mode))
    assert isinstance(found.outcome, Succeeded), found.outcome
    assert (found.outcome.counts.written, len(await goods.table.rows())) == (2, 2)


async def test_a_cancel_that_comes_when_the_outcome_is_known_changes_nothing(
    in_sqlite: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, finished = asyncio.current_task(), Overlap.finished
    assert task is not None

    async def cancelled_meanwhile(self: Overlap[Any], *, seconds: float) -> bool:
        task.cancel()
        await asyncio.sleep(0)
        return await finished(self, seconds=seconds)

    monkeypatch.setattr(Overlap, "finished", cancelled_meanwhile)
    found = await load.run(in_sqlite.job("id,name,price,sold\nx,,,\n"), policy=POLICY, tell=lambda _: None)
    task.uncancel()

    assert isinstance(found.outcome, Failed)
    assert found.outcome.code == "too_many_rejects"


async def test_a_commit_that_gets_no_answer_is_in_doubt_and_not_denied(
    in_sqlite: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(load, "COMMIT_SECONDS", 0.01)
    monkeypatch.setattr(target_for("sqlite"), "commit", silence)
    found = await ended(in_sqlite.job(TWO))
    assert isinstance(found.outcome, Failed)
    assert (found.outcome.code, found.outcome.transient) == ("target_busy", True)

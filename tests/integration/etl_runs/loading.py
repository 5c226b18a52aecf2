"""Runs whose data path is the real one: a child process, a CSV file, a table."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from services.etl.pipeline.job import Job, JobSpec
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runner.means import Means
from services.etl.runs.schemas import NO_PARAMETERS, RunParameters
from shared.contracts.identity import TenantScope
from shared.identifiers import RunId, TaskId
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs
from tests.integration.etl_runs.scene import QUICK, Scene, Tasks

ROWS = 150_000


def content(rows: int = ROWS) -> str:
    """A file that takes long enough to be hit in the middle."""
    return "id,name,price,sold\n" + "".join(f"{n},name {n},{n}.50,\n" for n in range(rows))


def spec_of(job: Job) -> JobSpec:
    """What a task's revision would come to."""
    return JobSpec(source=job.source, steps=job.steps, target=job.table, limits=job.limits)


class Loads(Tasks):
    """Every task loads the same file into the same table."""

    def __init__(self, spec: JobSpec) -> None:
        super().__init__()
        self._spec = spec

    async def job_of(
        self,
        scope: TenantScope,
        task_id: TaskId,
        revision: int,
        *,
        run_id: RunId,
        parameters: RunParameters = NO_PARAMETERS,
    ) -> JobSpec:
        return self._spec


def means(scene: Scene, spec: JobSpec, executor: Executor) -> Means:
    """What a runner of the real thing works with."""
    return Means(
        database=scene.database,
        jobs=Loads(spec),
        executor=executor,
        hints=scene.hints,
        rejects=scene.rejects,
        timing=QUICK,
        jitter=lambda _: 0.0,
    )


@asynccontextmanager
async def executing() -> AsyncIterator[Executor]:
    """An executor, until the end of the block."""
    executor = Executor(policy=POLICY, limits=ExecutorLimits(soft_cancel_seconds=2.0))
    await executor.start()
    try:
        yield executor
    finally:
        await executor.close()


async def count(goods: Jobs) -> tuple[int, int]:
    """Rows and different keys of the table."""
    ((rows, keys),) = await goods.table.rows(f"SELECT count(*), count(DISTINCT id) FROM {TABLE}")
    return rows, keys


def kill_child(parent: int | None = None) -> None:
    """SIGKILL the child processes that carry out jobs."""
    children = [
        child
        for child in psutil.Process(parent).children(recursive=True)
        if "services.etl.runner.child" in " ".join(child.cmdline())
    ]
    assert children
    for child in children:
        os.kill(child.pid, signal.SIGKILL)

"""Runs that write a file: the run protocol with the real data path, and the store that is swept."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from services.etl.files.models import UploadedFile
from services.etl.files.store import LocalStore
from services.etl.files.sweeping import Sweeper
from services.etl.pipeline.job import Job, JobFileTarget, JobSpec
from services.etl.runner.executor import Executor
from services.etl.runner.means import Means
from services.etl.runner.messages import ChildMessage, Lost, Outcome, Succeeded
from services.etl.runs.schemas import NO_PARAMETERS, RunParameters
from shared import clock
from shared.contracts.identity import TenantScope
from shared.identifiers import RunId, TaskId, uuid7
from tests.integration.etl_data.files import FileJobs
from tests.integration.etl_runs.scene import QUICK, TENANT, OnMessage, Scene, Tasks

CSV = {"format": "csv", "compression": "none"}


class Writes(Tasks):
    """Every task writes the same rows to the file of one name; each attempt has an id of its own."""

    def __init__(self, jobs: FileJobs, store: LocalStore, job: Job, *, timeout_seconds: int = 600) -> None:
        super().__init__(timeout_seconds=timeout_seconds)
        self._jobs = jobs
        self._store = store
        self._job = job

    async def job_of(
        self,
        scope: TenantScope,
        task_id: TaskId,
        revision: int,
        *,
        run_id: RunId,
        parameters: RunParameters = NO_PARAMETERS,
    ) -> JobSpec:
        target = self._job.target
        assert isinstance(target, JobFileTarget)
        if target.connection is None:
            file_id = uuid7()
            path = str(self._store.path(scope.tenant_id, file_id))
            target = target.model_copy(
                update={"tenant_id": scope.tenant_id, "file_id": file_id, "path": path}
            )
        return JobSpec(source=self._job.source, steps=[], target=target, limits=self._job.limits)


class Dying:
    """An executor whose first job dies at a point; the others are the real one's."""

    def __init__(self, real: Executor, point: str, scratch: Path) -> None:
        self._real = real
        self._point = point
        self._scratch = scratch
        self.died = False

    async def execute(self, job: Job, on_message: OnMessage) -> Outcome:
        if self.died:
            return await self._real.execute(job, on_message)
        self.died = True
        self._scratch.mkdir()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.etl_data.dies_with_a_file", self._point, self._scratch,
            stdin=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            await process.communicate(json.dumps(job.to_wire()).encode() + b"\n")
        assert process.returncode == -signal.SIGKILL
        return Lost(reason="killed by signal 9")

    async def settle(self, job: Job) -> Succeeded | None:
        return await self._real.settle(job)


class WritingScene:
    """A scene whose runs write a file, and what there is of it."""

    def __init__(self, scene: Scene, jobs: FileJobs) -> None:
        self.scene = scene
        self.jobs = jobs
        self.store = LocalStore(jobs.folder / "store")

    def means(self, executor: Any, job: Job, **how: Any) -> Means:
        """What a runner works with that carries out this job for each run."""
        return Means(
            database=self.scene.database,
            jobs=Writes(self.jobs, self.store, job, **how),
            executor=executor,
            hints=self.scene.hints,
            rejects=self.scene.rejects,
            timing=QUICK,
            jitter=lambda _: 0.0,
        )

    async def sweep(self) -> None:
        """Sweep as somebody does two hours later."""
        later: Callable[[], Any] = lambda: clock.now() + timedelta(hours=2)  # noqa: E731 - a clock
        await Sweeper(self.scene.database, self.store, clock=later).sweep()

    async def known(self) -> list[UploadedFile]:
        """The tenant's files."""
        async with self.scene.database.read() as session:
            found = select(UploadedFile).where(UploadedFile.tenant_id == TENANT.tenant_id)
            return list(await session.scalars(found))

    def lying(self) -> list[str]:
        """The names of all that lies in the tenant's folder."""
        folder = self.jobs.folder / "store" / str(TENANT.tenant_id)
        return sorted(path.name for path in folder.glob("*"))

    def content(self, file: UploadedFile) -> bytes:
        return self.store.path(file.tenant_id, file.id).read_bytes()


class Told:
    """What is waited for in the messages of a run."""

    def __init__(self, real: Executor, kind: type[ChildMessage]) -> None:
        self._real = real
        self._kind = kind
        self.reached = asyncio.Event()

    async def execute(self, job: Job, on_message: OnMessage) -> Outcome:
        async def hear(message: ChildMessage) -> None:
            if isinstance(message, self._kind):
                self.reached.set()
            await on_message(message)

        return await self._real.execute(job, hear)

    async def settle(self, job: Job) -> Succeeded | None:
        return await self._real.settle(job)

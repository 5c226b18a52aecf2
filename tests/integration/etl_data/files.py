"""Jobs for tests that write files: to a folder as the store's, or to the bucket of a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from services.etl.columns import Columns
from services.etl.destinations._target import Surroundings, Target
from services.etl.pipeline.definition import FileForm, Limits, StepConfig
from services.etl.pipeline.job import Job, JobFileTarget
from services.etl.pipeline.targets import target_for
from shared.contracts.connection import S3Connection
from shared.identifiers import TenantId, uuid7
from tests.integration.etl_data.jobs import POLICY, TYPES, csv_source
from tests.resources import handed_out
from tests.servers.s3 import S3Server

TENANT = TenantId(uuid7())


@dataclass
class FileJobs:
    """Makes jobs that write one file from files in a folder, with rising fences."""

    folder: Path
    types: Mapping[str, str] = field(default_factory=lambda: dict(TYPES))
    server: S3Server | None = None
    fence: int = 0

    def job(
        self,
        content: str | bytes,
        *,
        name: str = "goods",
        run_id: UUID | None = None,
        form: Mapping[str, Any] | None = None,
        steps: Sequence[Mapping[str, Any]] = (),
        limits: Limits | None = None,
        **changes: Any,
    ) -> Job:
        """A job for this content of the source."""
        self.fence += 1
        return Job(
            run_id=run_id or uuid7(),
            attempt=1,
            fence=self.fence,
            table_key=f"file:{name}",
            source=csv_source(self.folder, content, self.types),
            steps=[StepConfig.model_validate(dict(step)) for step in steps],
            target=self._target(name, FileForm(**(form or {})), changes),
            limits=limits or Limits(),
        )

    @property
    def store(self) -> Path:
        """The tenant's folder of the store."""
        return self.folder / "store" / str(TENANT)

    def path(self, job: Job) -> Path:
        """Where the file of a job lies."""
        assert isinstance(job.target, JobFileTarget)
        assert job.target.path is not None
        return Path(job.target.path)

    def left(self) -> list[str]:
        """The names of all that lies in the store."""
        return sorted(path.name for path in self.store.glob("*"))

    def _target(self, name: str, form: FileForm, changes: Mapping[str, Any]) -> JobFileTarget:
        if self.server is not None:
            info = S3Connection.model_validate(self.server.connection())
            connection = handed_out(info, tenant_id=TENANT)
            return JobFileTarget(tenant_id=TENANT, name=name, form=form, connection=connection, **changes)
        file_id = uuid7()
        path = str(self.store / str(file_id))
        return JobFileTarget(
            **{"tenant_id": TENANT, "name": name, "form": form, "file_id": file_id, "path": path, **changes}
        )


def target_of(job: Job, columns: Columns, scratch: Path | None = None) -> Target:
    """An attempt's target in this process."""
    return target_for(job.target.engine)(job, columns, Surroundings(POLICY, scratch=scratch))

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from services.etl.files.errors import FileUnknown
from services.etl.files.service import FileService
from services.etl.pipeline.errors import StepUnknown
from services.etl.pipeline.job import JobFile, JobSource
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec
from services.etl.tasks.errors import FileNotFound
from shared.contracts.identity import TenantScope
from shared.errors import Fault

from .schemas import PreviewSource


class Previewer(Protocol):
    """Looks at sources outside of this process."""

    async def preview(self, spec: PreviewSpec) -> PreviewResult:
        """The beginning of a source. Raises PreviewRefused or PreviewUnavailable."""


@dataclass(frozen=True, slots=True)
class PreviewLimits:
    """Bounds of one preview."""

    seconds: float = 20.0
    memory_mb: int = 512


class Previews:
    """Previews of a tenant's sources. Files are only opened in the previewer's child process."""

    def __init__(
        self,
        *,
        files: FileService,
        previewer: Previewer,
        loaders: Collection[str],
        limits: PreviewLimits,
    ) -> None:
        self._files = files
        self._previewer = previewer
        self._loaders = loaders
        self._limits = limits

    async def source(self, scope: TenantScope, asked: PreviewSource) -> PreviewResult:
        """The beginning of a file as the loader would read it.

        Raises StepUnknown, FileNotFound, PreviewRefused or PreviewUnavailable.
        """
        if asked.loader not in self._loaders:
            known = ", ".join(self._loaders)
            raise StepUnknown(loc=("body", "loader"), kind="loader", name=asked.loader, known=known)
        try:
            file = await self._files.ready(scope, asked.file_id)
        except FileUnknown:
            raise FileNotFound(file_id=asked.file_id, loc=("body", "file_id")) from None
        spec = PreviewSpec(
            source=JobSource(
                loader=asked.loader,
                params={**asked.params, "file_id": str(asked.file_id)},
                files=[JobFile(name=file.name, path=str(file.path), size=file.size)],
            ),
            rows=asked.rows,
            timeout_seconds=self._limits.seconds,
            memory_limit_mb=self._limits.memory_mb,
        )
        try:
            return await self._previewer.preview(spec)
        except PreviewRefused as error:
            raise _in_body(error) from None


def _in_body(error: PreviewRefused) -> PreviewRefused:
    """The same with its places as those of the request; a fault of the file itself has none."""
    faults = [
        Fault(("body", *fault.loc) if fault.loc else (), fault.code, fault.message)
        for fault in error.all_faults()
    ]
    return PreviewRefused(loc=faults[0].loc if faults else (), faults=faults, **error.facts)

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from services.etl.files.errors import FileUnknown
from services.etl.files.service import FileService
from services.etl.pipeline.errors import StepUnknown
from services.etl.previews.definition import PreviewResult, PreviewSpec
from services.etl.tasks.errors import FileNotFound
from shared.contracts.identity import TenantScope

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
        return await self._previewer.preview(
            PreviewSpec(
                loader=asked.loader,
                params={**asked.params, "file_id": str(asked.file_id)},
                path=str(file.path),
                size=file.size,
                rows=asked.rows,
                timeout_seconds=self._limits.seconds,
                memory_limit_mb=self._limits.memory_mb,
            )
        )

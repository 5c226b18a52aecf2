from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from services.etl.loaders._base import Loader, Needs
from services.etl.pipeline.errors import StepUnknown
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec
from services.etl.previews.pipeline import PipelinePreview, PipelineSpec
from services.etl.tasks.sources import Sources, placed
from shared.contracts.identity import TenantScope
from shared.errors import Fault, Loc

from .errors import ResourceNotShown
from .schemas import PreviewSource


class Previewer(Protocol):
    """Looks at sources outside of this process."""

    async def preview(self, spec: PreviewSpec) -> PreviewResult:
        """The beginning of a source. Raises PreviewRefused or PreviewUnavailable."""

    async def preview_pipeline(self, spec: PipelineSpec) -> PipelinePreview:
        """What the steps make of the beginning of a source. Raises PreviewRefused or PreviewUnavailable."""


@dataclass(frozen=True, slots=True)
class PreviewLimits:
    """Bounds of one preview."""

    seconds: float = 20.0
    memory_mb: int = 512


class Previews:
    """Previews of a tenant's sources. They are only opened in the previewer's child process."""

    def __init__(
        self,
        *,
        sources: Sources,
        previewer: Previewer,
        loaders: Mapping[str, type[Loader]],
        limits: PreviewLimits,
    ) -> None:
        self._sources = sources
        self._previewer = previewer
        self._loaders = loaders
        self._limits = limits

    async def source(
        self, scope: TenantScope, asked: PreviewSource, *, may_connect: bool = False
    ) -> PreviewResult:
        """The beginning of a source as the loader would read it.

        Raises StepUnknown, FileNotFound, FilesNotFound, ResourceNotFound, SourceUnsuitable,
        ResourceNotShown, PreviewRefused or PreviewUnavailable.
        """
        if asked.loader not in self._loaders:
            known = ", ".join(self._loaders)
            raise StepUnknown(loc=("body", "loader"), kind="loader", name=asked.loader, known=known)
        params = asked.known()
        needs = _needs(params, self._loaders[asked.loader].resource_types)
        if needs.resource_id is not None and not may_connect:
            raise ResourceNotShown
        with placed(needs, ("body",) if asked.file_id else ("body", "params")):
            source = await self._sources.found(scope, asked.loader, params, needs=needs, purpose="preview")
        spec = PreviewSpec(
            source=source,
            rows=asked.rows,
            timeout_seconds=self._limits.seconds,
            memory_limit_mb=self._limits.memory_mb,
        )
        try:
            return await self._previewer.preview(spec)
        except PreviewRefused as error:
            raise in_body(error) from None


def in_body(error: PreviewRefused) -> PreviewRefused:
    """The same with its places as those of the request; a fault of the source itself has none."""
    faults = [
        Fault(("body", *fault.loc) if fault.loc else (), fault.code, fault.message)
        for fault in error.all_faults()
    ]
    return PreviewRefused(loc=faults[0].loc if faults else (), faults=faults, **error.facts)


def _needs(params: dict[str, Any], resource_types: tuple[str, ...]) -> Needs:
    """What the loader would need. The other parameters may be missing still. Raises PreviewRefused."""
    pattern = params.get("pattern")
    needs = Needs(
        file_id=_id(params, "file_id"),
        pattern=pattern if isinstance(pattern, str) else None,
        resource_id=_id(params, "resource_id"),
        resource_types=resource_types,
    )
    if not needs:
        raise _refused("it names neither a file, nor a pattern of files, nor a resource", ("body", "params"))
    return needs


def _id(params: dict[str, Any], name: str) -> UUID | None:
    given = params.get(name)
    try:
        return None if given is None else UUID(str(given))
    except ValueError:
        raise _refused(f"its {name} is no id", ("body", "params", name)) from None


def _refused(reason: str, loc: Loc) -> PreviewRefused:
    return PreviewRefused(reason=reason, loc=loc)

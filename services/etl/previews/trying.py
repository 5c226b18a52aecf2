"""Trying a pipeline on the first rows of its source, before it is a task."""

import asyncio

from services.etl.destinations.database_save import DatabaseSave
from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import Built, Pipeline, assemble
from services.etl.previews.definition import PreviewRefused
from services.etl.previews.pipeline import PipelinePreview, PipelineSpec, PreviewedTarget
from services.etl.tasks.jobs import held_columns
from services.etl.tasks.sources import Sources, placed
from services.etl.tasks.validation import checked
from shared.contracts.identity import TenantScope
from shared.db.session import Database

from .errors import ResourceNotShown
from .schemas import PreviewPipeline
from .service import Previewer, PreviewLimits, in_body


class Trials:
    """Pipelines of a tenant that are tried. Nothing is written, and no target is asked."""

    def __init__(
        self,
        database: Database,
        *,
        sources: Sources,
        previewer: Previewer,
        steps: Steps,
        limits: PreviewLimits,
    ) -> None:
        self._database = database
        self._sources = sources
        self._previewer = previewer
        self._steps = steps
        self._limits = limits

    async def pipeline(
        self, scope: TenantScope, asked: PreviewPipeline, *, may_connect: bool = False
    ) -> PipelinePreview:
        """What each step makes of the first records.

        Raises PipelineInvalid, TableNotFound, FileNotFound, FilesNotFound, ResourceNotFound,
        ResourceNotShown, PreviewRefused or PreviewUnavailable. A step that fails with these rows is no
        error: the answer says so.
        """
        built, target = await self._built(scope, asked)
        loaders = (built.loader, *built.lookups.values())
        if not may_connect and any(loader.needs().resource_id for loader in loaders):
            raise ResourceNotShown
        needs, given = built.loader.needs(), asked.source
        with placed(needs, ("body", "source", "params")):
            source = await self._sources.found(
                scope, given.loader, given.params, needs=needs, purpose="preview"
            )
        spec = PipelineSpec(
            source=source,
            steps=asked.tried()[: len(built.handlers)],
            lookups=await self._sources.lookups(scope, built, purpose="preview", loc=("body",)),
            target=target,
            rows=asked.rows,
            timeout_seconds=self._limits.seconds,
            memory_limit_mb=self._limits.memory_mb,
        )
        try:
            return await self._previewer.preview_pipeline(spec)
        except PreviewRefused as error:
            raise in_body(error) from None

    async def _built(
        self, scope: TenantScope, asked: PreviewPipeline
    ) -> tuple[Built | Pipeline, PreviewedTarget | None]:
        """The steps, and the table where the last one is a destination: as it is configured now."""
        steps = asked.tried()
        if not steps or steps[-1].step not in self._steps.destinations:
            loc = ("body",)
            return await asyncio.to_thread(assemble, asked.source, steps, self._steps, loc=loc), None
        config = PipelineConfig(source=asked.source, steps=steps)
        async with self._database.read() as session:
            found = await checked(session, scope, config, steps=self._steps, loc=("body",))
        destination = found.pipeline.destination
        if found.table is None or not isinstance(destination, DatabaseSave):
            return found.pipeline, None
        wanted = found.table.wanted
        target = PreviewedTarget(
            engine=found.table.resource_type,
            columns=held_columns(found.table, wanted),
            key=list(destination.key_of(wanted.as_target())),
            mode=destination.params.mode,
        )
        return found.pipeline, target

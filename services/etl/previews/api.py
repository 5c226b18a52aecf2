from collections.abc import Mapping
from typing import Final

from services.etl.pipeline.errors import StepUnknown
from services.etl.pipeline.validate import PipelineInvalid
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewUnavailable
from services.etl.previews.pipeline import PipelinePreview
from services.etl.tables.errors import ResourceNotFound
from services.etl.tasks.errors import FileNotFound, FilesNotFound, TableNotFound
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request

from .errors import ResourceNotShown
from .schemas import PreviewPipeline, PreviewSource
from .service import Previews
from .trying import Trials

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""

_CONNECTS: Final = "task:write"
_ERRORS: Final = (
    FileNotFound,
    FilesNotFound,
    ResourceNotFound,
    ResourceNotShown,
    PreviewRefused,
    PreviewUnavailable,
)


@operation(
    "POST",
    "/preview-source",
    scopes=["file:read"],
    body=PreviewSource,
    returns=PreviewResult,
    errors=[StepUnknown, *_ERRORS],
)
async def preview_source(request: Request, body: PreviewSource) -> PreviewResult:
    """Show the beginning of a source and how it could be read.

    The answer's `params` are complete parameters of the loader, ready to be a task's source. For a source
    that reads from a resource the scope `task:write` is needed, too.
    """
    return await request.service(Previews).source(request.tenant, body, may_connect=_may_connect(request))


@operation(
    "POST",
    "/preview-pipeline",
    scopes=["file:read", "task:read"],
    body=PreviewPipeline,
    returns=PipelinePreview,
    errors=[PipelineInvalid, TableNotFound, *_ERRORS],
)
async def preview_pipeline(request: Request, body: PreviewPipeline) -> PipelinePreview:
    """Try a pipeline on the first records of its source, up to any of its steps.

    The answer has, for each step, its columns, its counts and time, its first rows with where each comes
    from and which of its cells have changed, those that are gone, and what it rejects; the last one may be
    a step that fails, with its problem. It is the code that runs, apart from the target, which isn't asked:
    nothing is written. For sources that read from a resource the scope `task:write` is needed, too.
    """
    return await request.service(Trials).pipeline(request.tenant, body, may_connect=_may_connect(request))


def _may_connect(request: Request) -> bool:
    return _CONNECTS in request.principal.scopes

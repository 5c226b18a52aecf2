from collections.abc import Mapping
from typing import Final

from services.etl.pipeline.errors import StepUnknown
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewUnavailable
from services.etl.tasks.errors import FileNotFound
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request

from .schemas import PreviewSource
from .service import Previews

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""


@operation(
    "POST",
    "/preview-source",
    scopes=["file:read"],
    body=PreviewSource,
    returns=PreviewResult,
    errors=[StepUnknown, FileNotFound, PreviewRefused, PreviewUnavailable],
)
async def preview_source(request: Request, body: PreviewSource) -> PreviewResult:
    """Show the beginning of a file and how it could be read.

    The answer's `params` are complete parameters of the loader, ready to be a task's source.
    """
    return await request.service(Previews).source(request.tenant, body)

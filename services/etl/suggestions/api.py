from collections.abc import Mapping
from typing import Final

from services.etl.previews.definition import PreviewRefused, PreviewUnavailable
from services.etl.tables.errors import ResourceNotFound, ResourceUnsuitable
from services.etl.tasks.errors import FileNotFound
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request

from .errors import CatalogTableNotFound, DataTableNotFound
from .schemas import Suggestion, SuggestTable
from .service import Suggestions

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""


@operation(
    "POST",
    "/data-tables:suggest",
    scopes=["table:read", "file:read", "catalog:read"],
    tags=["tables"],
    body=SuggestTable,
    returns=Suggestion,
    errors=[
        ResourceNotFound,
        ResourceUnsuitable,
        FileNotFound,
        PreviewRefused,
        PreviewUnavailable,
        CatalogTableNotFound,
        DataTableNotFound,
    ],
)
async def suggest_data_table(request: Request, body: SuggestTable) -> Suggestion:
    """Suggest a data table like a file, a table of the catalog or another data table.

    The answer's `table` is ready to be sent to `/data-tables`; `notes` say what of the origin it leaves out
    or changes, and what has to be changed before the database takes it. Nothing is saved.
    """
    return await request.service(Suggestions).suggest(request.tenant, body, bearer=request.bearer)

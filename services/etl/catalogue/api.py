from collections.abc import Mapping
from typing import Final

from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request
from shared.plugins.describe import PluginDescription

from .errors import HandlerUnknown
from .schemas import HandlerQuery, Handlers
from .service import Catalogue

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""


@operation("GET", "/handlers", scopes=["task:read"], query=HandlerQuery, returns=Handlers)
async def list_handlers(request: Request, query: HandlerQuery) -> Handlers:
    """List the steps that pipelines are made of.

    Each describes itself: its parameters as JSON Schema with hints for a form, examples, what it is for.
    """
    return Handlers(items=request.service(Catalogue).listed(query.kind))


@operation(
    "GET", "/handlers/{name}", scopes=["task:read"], returns=PluginDescription, errors=[HandlerUnknown]
)
async def get_handler(request: Request, name: str) -> PluginDescription:
    """Show one step with its parameters."""
    return request.service(Catalogue).get(name)

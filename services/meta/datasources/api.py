from collections.abc import Mapping

from services.meta.datasources.errors import DatasourceUnknown
from services.meta.datasources.schemas import DatasourceQuery, DatasourceView
from services.meta.datasources.service import DatasourceViews
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request
from shared.identifiers import DatasourceId

STATUS_OF: Mapping[type[PenstockError], int] = {DatasourceUnknown: 404}


@operation(
    "GET",
    "/datasources",
    query=DatasourceQuery,
    returns=Page[DatasourceView],
    scopes=["catalog:read"],
)
async def list_datasources(request: Request, query: DatasourceQuery) -> Page[DatasourceView]:
    """List datasources: the resources of the tenant as the catalog knows them.

    A datasource appears by itself when its resource is created in System, and level 1 begins at once.
    """
    return await request.service(DatasourceViews).listed(request.tenant, query)


@operation(
    "GET",
    "/datasources/{datasource}",
    returns=DatasourceView,
    scopes=["catalog:read"],
    errors=[DatasourceUnknown],
)
async def get_datasource(request: Request, datasource: DatasourceId) -> DatasourceView:
    """Show a datasource."""
    return await request.service(DatasourceViews).get(request.tenant, datasource)

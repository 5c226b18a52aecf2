"""Tenants, for the platform administrator."""

from services.system.callers import PlatformOnly, actor_of, require_platform
from shared.errors import VersionOutdated
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.http.responses import Created
from shared.identifiers import TenantId

from .errors import TenantSlugTaken, TenantUnknown
from .models import Tenant
from .schemas import TenantChange, TenantCreate, TenantView
from .service import TenantService


@operation(
    "GET",
    "/tenants",
    query=PageQuery,
    returns=Page[TenantView],
    scopes=["tenant:read"],
    errors=[PlatformOnly],
)
async def list_tenants(request: Request, query: PageQuery) -> Page[TenantView]:
    """List all tenants."""
    require_platform(request)
    page = await request.service(TenantService).list(limit=query.limit, cursor=query.cursor)
    return Page(items=[_view(tenant) for tenant in page.items], next_cursor=page.next_cursor)


@operation(
    "POST",
    "/tenants",
    body=TenantCreate,
    returns=TenantView,
    scopes=["tenant:write"],
    errors=[TenantSlugTaken, PlatformOnly],
)
async def create_tenant(request: Request, body: TenantCreate) -> Created[TenantView]:
    """Create a tenant.

    It has no users yet: create its owner next.
    """
    require_platform(request)
    tenant = await request.service(TenantService).create(body, actor_of(request))
    return Created(_view(tenant), f"/tenants/{tenant.id}")


@operation(
    "GET",
    "/tenants/{tenant}",
    returns=TenantView,
    scopes=["tenant:read"],
    errors=[TenantUnknown, PlatformOnly],
)
async def get_tenant(request: Request, tenant: TenantId) -> TenantView:
    """Get a tenant."""
    require_platform(request)
    return _view(await request.service(TenantService).get(tenant))


@operation(
    "PATCH",
    "/tenants/{tenant}",
    body=TenantChange,
    returns=TenantView,
    scopes=["tenant:write"],
    errors=[TenantUnknown, VersionOutdated, PlatformOnly],
    if_match=True,
)
async def change_tenant(request: Request, tenant: TenantId, body: TenantChange) -> TenantView:
    """Change a tenant's name."""
    require_platform(request)
    service, actor = request.service(TenantService), actor_of(request)
    return _view(await service.change(tenant, body, actor, version=request.if_match))


def _view(tenant: Tenant) -> TenantView:
    return TenantView.model_validate(tenant, from_attributes=True)

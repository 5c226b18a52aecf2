"""Resources, their types and their tests; and what services may learn of them."""

from typing import Annotated

from pydantic import Field

from services.system.callers import ServicesOnly, actor_of, require_service
from services.system.secrets.errors import SecretUnreadable
from shared.contracts.connection import ConnectionRequest, ResourceSummary
from shared.errors import VersionOutdated
from shared.http.errors import ScopeMissing
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.http.responses import Created
from shared.identifiers import ResourceId

from . import types
from .errors import (
    ConnectionInvalid,
    ResourceNameTaken,
    ResourceTypeFixed,
    ResourceTypeUnknown,
    ResourceUnknown,
    SecretNeeded,
    TextUnusable,
)
from .handing import Handing
from .schemas import (
    ConnectionReport,
    ConnectionTest,
    HandedOut,
    ResourceChange,
    ResourceCreate,
    ResourceTypeView,
    ResourceView,
    SavedConnectionTest,
)
from .service import ResourceService
from .testing import ConnectionTests

_CHANGE_ERRORS = (ResourceUnknown, ConnectionInvalid, ResourceTypeFixed, SecretNeeded, TextUnusable)


class ResourceQuery(PageQuery):
    type: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="Only resources of this type."
    )


@operation("GET", "/resource-types", returns=Page[ResourceTypeView], scopes=["resource:read"])
async def list_resource_types(request: Request) -> Page[ResourceTypeView]:  # noqa: ARG001 - they are fixed
    """List the types of resources, each with the JSON Schema of its connection."""
    return types.all_types()


@operation(
    "GET",
    "/resource-types/{name}",
    returns=ResourceTypeView,
    scopes=["resource:read"],
    errors=[ResourceTypeUnknown],
)
async def get_resource_type(request: Request, name: str) -> ResourceTypeView:  # noqa: ARG001 - as above
    """Get a type of resource."""
    return types.one_type(name)


@operation("GET", "/resources", query=ResourceQuery, returns=Page[ResourceView], scopes=["resource:read"])
async def list_resources(request: Request, query: ResourceQuery) -> Page[ResourceView]:
    """List the resources of the tenant."""
    return await request.service(ResourceService).list(
        request.tenant, limit=query.limit, cursor=query.cursor, resource_type=query.type
    )


@operation(
    "POST",
    "/resources",
    body=ResourceCreate,
    returns=ResourceView,
    scopes=["resource:write"],
    errors=[ResourceNameTaken, TextUnusable],
)
async def create_resource(request: Request, body: ResourceCreate) -> Created[ResourceView]:
    """Register a resource.

    Its secrets are kept encrypted and never returned.
    """
    view = await request.service(ResourceService).create(request.tenant, body, actor_of(request))
    return Created(view, f"/resources/{view.id}")


@operation(
    "POST",
    "/resources:test",
    body=ConnectionTest,
    returns=ConnectionReport,
    scopes=["resource:test", "resource:write"],
    errors=[TextUnusable],
)
async def try_connection(request: Request, body: ConnectionTest) -> ConnectionReport:
    """Test a connection before it is saved.

    The answer names the steps and ends with the first one that failed.
    """
    tests = request.service(ConnectionTests)
    return await tests.unsaved(request.tenant, body.connection, actor_of(request))


@operation(
    "GET",
    "/resources/{resource}",
    returns=ResourceView,
    scopes=["resource:read"],
    errors=[ResourceUnknown],
)
async def get_resource(request: Request, resource: ResourceId) -> ResourceView:
    """Get a resource, without its secrets."""
    return await request.service(ResourceService).get(request.tenant, resource)


@operation(
    "PATCH",
    "/resources/{resource}",
    body=ResourceChange,
    returns=ResourceView,
    scopes=["resource:write"],
    errors=[*_CHANGE_ERRORS, ResourceNameTaken, VersionOutdated],
    if_match=True,
)
async def change_resource(request: Request, resource: ResourceId, body: ResourceChange) -> ResourceView:
    """Change a resource.

    A field of the connection that is absent stays, a secret that is null is cleared. A change of host,
    port, user or anything else that decides where the secret is sent needs the secret again.
    """
    return await request.service(ResourceService).change(
        request.tenant, resource, body, version=request.if_match, actor=actor_of(request)
    )


@operation(
    "DELETE",
    "/resources/{resource}",
    scopes=["resource:write"],
    errors=[ResourceUnknown, VersionOutdated],
    if_match=True,
)
async def delete_resource(request: Request, resource: ResourceId) -> None:
    """Delete a resource and its secrets."""
    await request.service(ResourceService).delete(
        request.tenant, resource, version=request.if_match, actor=actor_of(request)
    )


@operation(
    "POST",
    "/resources/{resource}/test",
    body=SavedConnectionTest,
    returns=ConnectionReport,
    scopes=["resource:test"],
    errors=[*_CHANGE_ERRORS, SecretUnreadable],
)
async def try_resource(
    request: Request, resource: ResourceId, body: SavedConnectionTest | None = None
) -> ConnectionReport:
    """Test a resource's connection.

    With a body: as it would be after that change, which needs what the change itself would need.
    """
    patch = body.connection if body else {}
    if patch and "resource:write" not in request.principal.scopes:
        raise ScopeMissing(scope="resource:write")
    return await request.service(ConnectionTests).saved(request.tenant, resource, patch, actor_of(request))


@operation(
    "POST",
    "/internal/resources/{resource}/connection",
    body=ConnectionRequest,
    returns=HandedOut,
    scopes=["resource:connect"],
    tags=["internal"],
    errors=[ResourceUnknown, SecretUnreadable, ServicesOnly],
)
async def connect_resource(request: Request, resource: ResourceId, body: ConnectionRequest) -> HandedOut:
    """Receive the connection info of a resource with its secrets.

    For services only; the resource must belong to the tenant named. Every hand-out is audited.
    """
    require_service(request)
    handed = await request.service(Handing).hand_out(resource, body, actor_of(request))
    return HandedOut.model_validate(handed, from_attributes=True)


@operation(
    "GET",
    "/internal/resources",
    query=PageQuery,
    returns=Page[ResourceSummary],
    scopes=["resource:connect"],
    tags=["internal"],
    errors=[ServicesOnly],
)
async def list_resource_changes(request: Request, query: PageQuery) -> Page[ResourceSummary]:
    """List the resources of all tenants in the order of their last change.

    For services only, deleted resources included.
    """
    require_service(request)
    return await request.service(Handing).changes(limit=query.limit, cursor=query.cursor)

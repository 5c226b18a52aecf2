"""Other services as the ETL service sees them."""

from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.connection import ConnectionRequest, ResourceConnection, ResourceSummary
from shared.contracts.identity import TenantScope
from shared.errors import NotFound, Unavailable
from shared.http.client import RemoteRefusal, ServiceClient
from shared.identifiers import ResourceId
from shared.observe import logs

Purpose = Literal["run", "publish", "preview"]
_NOT_FOUND = 404

_log = logs.get(__name__)


class ResourceUnknown(NotFound):
    """There is no resource {resource_id}."""


class SystemClient:
    """System: it alone keeps connection info. Nothing of an answer is kept here, in memory or elsewhere."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def connection(
        self, scope: TenantScope, resource_id: ResourceId, *, purpose: Purpose, subject: UUID | None
    ) -> ResourceConnection:
        """The connection info of a tenant's resource, for `subject`: a run or a data table.

        Every call is an entry in the audit log. Raises ResourceUnknown, or a Transient error when
        System can't answer now.
        """
        try:
            return await self._client.call(
                "POST",
                f"/internal/resources/{resource_id}/connection",
                body=ConnectionRequest(tenant_id=scope.tenant_id, purpose=purpose, subject=subject),
                returns=ResourceConnection,
            )
        except RemoteRefusal as refusal:
            if refusal.status == _NOT_FOUND:
                raise ResourceUnknown(resource_id=resource_id) from None
            _log.error("connection_refused_by_system", status=refusal.status, code=refusal.remote_code)
            raise Unavailable(what="System") from refusal

    def resources(self) -> AsyncIterator[ResourceSummary]:
        """Every resource of every tenant, deleted ones too. Raises what `ServiceClient.every` raises."""
        return self._client.every("/internal/resources", ResourceSummary)


class CatalogTableUnknown(NotFound):
    """There is no table {table_id} in the catalog."""


class CatalogField(BaseModel):
    """A column as the catalog knows it; type and default are spelled as its database spells them."""

    name: str
    column_type: str
    is_nullable: bool
    column_default: str | None
    extra: str | None
    comment: str | None


class CatalogKey(BaseModel):
    """A primary, unique or foreign key."""

    kind: str
    columns: list[str]


class CatalogIndexPart(BaseModel):
    """A column of an index, or without one an expression."""

    column: str | None


class CatalogIndex(BaseModel):
    """An index; with a `predicate` it is over a part of the rows."""

    is_unique: bool
    predicate: str | None
    parts: list[CatalogIndexPart]


class CatalogTable(BaseModel):
    """What we need of a table of the catalog."""

    datasource_id: UUID
    name: str
    comment: str | None
    fields_: list[CatalogField] = Field(alias="fields")
    keys: list[CatalogKey]
    indexes: list[CatalogIndex]
    constraints: list[Any]


class CatalogDatasource(BaseModel):
    """What we need of a datasource."""

    resource_id: ResourceId
    resource_type: str


class MetaClient:
    """Meta, asked in the name of a caller, whose access token is the `bearer`: it shows what they may see."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def table(self, table_id: UUID, *, bearer: str) -> CatalogTable:
        """A table of the caller's tenant. Raises CatalogTableUnknown, or Unavailable."""
        try:
            return await self._client.call("GET", f"/tables/{table_id}", returns=CatalogTable, bearer=bearer)
        except RemoteRefusal as refusal:
            if refusal.status == _NOT_FOUND:
                raise CatalogTableUnknown(table_id=table_id) from None
            raise _meta_refused(refusal) from refusal

    async def datasource(self, datasource_id: UUID, *, bearer: str) -> CatalogDatasource:
        """A datasource of the caller's tenant. Raises Unavailable."""
        path = f"/datasources/{datasource_id}"
        try:
            return await self._client.call("GET", path, returns=CatalogDatasource, bearer=bearer)
        except RemoteRefusal as refusal:
            raise _meta_refused(refusal) from refusal


def _meta_refused(refusal: RemoteRefusal) -> Unavailable:
    _log.error("refused_by_meta", status=refusal.status, code=refusal.remote_code)
    return Unavailable(what="Meta")

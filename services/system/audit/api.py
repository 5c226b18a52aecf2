"""The audit log."""

from typing import Annotated

from pydantic import Field

from shared.db.session import Database
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request

from .repository import AuditEntries
from .schemas import AuditView


class AuditQuery(PageQuery):
    action: Annotated[str, Field(max_length=60)] | None = Field(
        default=None, description="Only entries of this action, such as resource.connected."
    )


@operation("GET", "/audit", query=AuditQuery, returns=Page[AuditView], scopes=["audit:read"])
async def list_audit(request: Request, query: AuditQuery) -> Page[AuditView]:
    """List the audit log, newest first.

    People see the log of their tenant, the platform administrator that of the platform.
    """
    async with request.service(Database).read() as session:
        page = await AuditEntries(session).latest(
            request.principal.tenant, limit=query.limit, cursor=query.cursor, action=query.action
        )
    items = [AuditView.model_validate(row, from_attributes=True) for row in page.items]
    return Page(items=items, next_cursor=page.next_cursor)

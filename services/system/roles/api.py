"""The roles that people can have."""

import typing

from services.system.users.schemas import TenantRole
from shared.contracts.scopes import ROLES, SCOPES
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request

from .schemas import RoleView, ScopeView


@operation("GET", "/roles", returns=Page[RoleView], scopes=["user:read"])
async def list_roles(request: Request) -> Page[RoleView]:  # noqa: ARG001 - they are fixed
    """List the roles of a tenant with the scopes that each carries."""
    return Page(items=[_view(name) for name in typing.get_args(TenantRole)])


def _view(name: str) -> RoleView:
    return RoleView(name=name, scopes=[ScopeView(name=scope, summary=SCOPES[scope]) for scope in ROLES[name]])

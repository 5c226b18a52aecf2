from pydantic import BaseModel


class ScopeView(BaseModel):
    name: str
    summary: str


class RoleView(BaseModel):
    """A role of people in a tenant and what it allows."""

    name: str
    scopes: list[ScopeView]

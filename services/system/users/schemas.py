from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from shared.identifiers import TenantId, UserId

Username = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=100, to_lower=True, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._@+-]*[A-Za-z0-9])?$"
    ),
]
"""What people log in with; capital letters are read as small ones."""

Password = Annotated[SecretStr, Field(min_length=12, max_length=200)]
"""A new password. The upper limit keeps hashing cheap; NIST SP 800-63B asks for at least 64."""

DisplayName = Annotated[str, StringConstraints(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
TenantRole = Literal["viewer", "operator", "editor", "admin", "owner"]


def _without_doubles(roles: list[TenantRole]) -> list[TenantRole]:
    return list(dict.fromkeys(roles))


Roles = Annotated[list[TenantRole], Field(min_length=1, max_length=5), AfterValidator(_without_doubles)]


class UserInput(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserCreate(UserInput):
    """A user to create. The platform administrator names the tenant; others create in their own."""

    username: Username
    display_name: DisplayName = ""
    password: Password
    roles: Roles
    tenant_id: TenantId | None = Field(default=None, description="Only for the platform administrator.")


class UserChange(UserInput):
    """What to change of a user; what is absent stays. A change of roles or `enabled` ends the sessions."""

    display_name: DisplayName | None = None
    roles: Roles | None = None
    enabled: bool | None = None


class PasswordChange(UserInput):
    """One's own new password, with the current one as proof."""

    current_password: Annotated[SecretStr, Field(min_length=1, max_length=200)]
    new_password: Password


class UserView(BaseModel):
    id: UserId
    tenant_id: TenantId | None
    username: str
    display_name: str
    roles: list[str]
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime


class Me(BaseModel):
    """Who the token speaks for, and what it allows."""

    id: UUID
    kind: Literal["user", "service"]
    username: str
    display_name: str
    tenant_id: TenantId | None
    tenant_slug: str | None
    tenant_name: str | None
    roles: list[str]
    scopes: list[str]

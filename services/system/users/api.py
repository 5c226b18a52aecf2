"""Users, and what people do about themselves."""

from pydantic import Field

from services.system.callers import actor_of
from services.system.tenants.errors import TenantUnknown
from shared.errors import VersionOutdated
from shared.http.operation import AUTHENTICATED, operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.http.responses import Created
from shared.identifiers import TenantId, UserId

from .errors import LastOwner, PasswordWeak, PasswordWrong, RoleNotGrantable, UsernameTaken, UserUnknown
from .models import User
from .myself import Myself
from .schemas import Me, PasswordChange, UserChange, UserCreate, UserView
from .service import Caller, UserService


class UserQuery(PageQuery):
    tenant_id: TenantId | None = Field(
        default=None, description="Only users of this tenant, for the platform administrator."
    )


@operation("GET", "/me", returns=Me, scopes=AUTHENTICATED)
async def me(request: Request) -> Me:
    """Tell who the token speaks for and what it allows."""
    return await request.service(Myself).describe(request.principal)


@operation(
    "POST",
    "/me/password",
    body=PasswordChange,
    scopes=AUTHENTICATED,
    errors=[PasswordWrong, PasswordWeak],
)
async def change_own_password(request: Request, body: PasswordChange) -> None:
    """Change one's own password.

    One's other sessions end. Wrong current passwords make the next attempt wait, as at login.
    """
    await request.service(Myself).change_password(
        request.principal,
        actor_of(request),
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
    )


@operation(
    "GET",
    "/users",
    query=UserQuery,
    returns=Page[UserView],
    scopes=["user:read"],
    errors=[TenantUnknown],
)
async def list_users(request: Request, query: UserQuery) -> Page[UserView]:
    """List the users of the tenant.

    The platform administrator sees the users of all tenants, or of the one named.
    """
    page = await request.service(UserService).list(
        _caller(request), tenant_id=query.tenant_id, limit=query.limit, cursor=query.cursor
    )
    return Page(items=[_view(user) for user in page.items], next_cursor=page.next_cursor)


@operation(
    "POST",
    "/users",
    body=UserCreate,
    returns=UserView,
    scopes=["user:write"],
    errors=[UsernameTaken, TenantUnknown, RoleNotGrantable, PasswordWeak],
)
async def create_user(request: Request, body: UserCreate) -> Created[UserView]:
    """Create a user.

    The platform administrator names the tenant; everybody else creates in their own.
    """
    user = await request.service(UserService).create(body, _caller(request))
    return Created(_view(user), f"/users/{user.id}")


@operation("GET", "/users/{user}", returns=UserView, scopes=["user:read"], errors=[UserUnknown])
async def get_user(request: Request, user: UserId) -> UserView:
    """Get a user."""
    return _view(await request.service(UserService).get(user, _caller(request)))


@operation(
    "PATCH",
    "/users/{user}",
    body=UserChange,
    returns=UserView,
    scopes=["user:write"],
    errors=[UserUnknown, VersionOutdated, RoleNotGrantable, LastOwner],
    if_match=True,
)
async def change_user(request: Request, user: UserId, body: UserChange) -> UserView:
    """Change a user's name or roles, or disable the user.

    A change of roles and being disabled end the user's sessions at once.
    """
    service = request.service(UserService)
    return _view(await service.change(user, body, _caller(request), version=request.if_match))


def _caller(request: Request) -> Caller:
    return Caller(actor_of(request), request.principal.tenant, request.principal.roles)


def _view(user: User) -> UserView:
    return UserView.model_validate(user, from_attributes=True)

"""Who calls, as an operation sees it: for the audit log, and for what scopes alone should not open."""

from services.system.audit.repository import Actor, ActorKind
from shared.contracts.identity import Principal
from shared.errors import Forbidden
from shared.http.request import Request


class ServicesOnly(Forbidden):
    """This operation is for services."""


class PlatformOnly(Forbidden):
    """This operation is for the platform administrator."""


def actor_of(request: Request) -> Actor:
    """The caller of an authenticated operation, with address and request id."""
    principal = request.principal
    return Actor(_kind(principal), principal.subject, request.client_address, request.id)


def require_service(request: Request) -> None:
    """Raises ServicesOnly for a person, whatever scopes the token has."""
    if request.principal.kind != "service":
        raise ServicesOnly


def require_platform(request: Request) -> None:
    """Raises PlatformOnly for a service and for somebody of a tenant, whatever scopes the token has."""
    if request.principal.kind == "service" or request.principal.tenant is not None:
        raise PlatformOnly


def _kind(principal: Principal) -> ActorKind:
    if principal.kind == "service":
        return "service"
    return "platform" if principal.tenant is None else "user"

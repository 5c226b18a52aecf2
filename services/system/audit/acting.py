"""Who acts, as an operation sees it."""

from shared.contracts.identity import Principal
from shared.http.request import Request

from .repository import Actor, ActorKind


def actor_of(request: Request) -> Actor:
    """The caller of an authenticated operation, with address and request id."""
    principal = request.principal
    return Actor(_kind(principal), principal.subject, request.client_address, request.id)


def _kind(principal: Principal) -> ActorKind:
    if principal.kind == "service":
        return "service"
    return "platform" if principal.tenant is None else "user"

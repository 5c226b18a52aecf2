"""What can be wrong with a request before its operation sees it."""

from shared.errors import Conflict, Forbidden, Invalid, PenstockError, Transient, Unauthenticated


class RequestInvalid(Invalid):
    """The request does not have the form that this operation takes."""


class MalformedJson(Invalid):
    """The body is not JSON that can be read: {reason}."""


class MediaTypeRefused(Invalid):
    """The body's media type is {given}; this operation takes {expected}."""


class BodyTooLarge(Invalid):
    """The body is larger than {limit} bytes."""


class BodyTooSlow(Transient):
    """The body did not arrive in time."""


class TokenMissing(Unauthenticated):
    """This operation needs an access token in the Authorization header."""


class ScopeMissing(Forbidden):
    """This operation needs the scope {scope}."""


class TenantMissing(Forbidden):
    """This operation works inside a tenant, and the caller belongs to none."""


class InternalError(PenstockError):
    """Something went wrong on our side. The request id finds it in the logs."""


class FileOther(Conflict):
    """The file is not the one that If-Match names."""


class RangeMissing(Invalid):
    """The file has only {size} bytes: there is nothing where the range begins."""

    def problem_headers(self) -> dict[str, str]:
        """How long the file is (RFC 9110, 15.5.17)."""
        return {"Content-Range": f"bytes */{self.facts['size']}"}

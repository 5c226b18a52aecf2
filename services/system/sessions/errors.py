from collections.abc import Mapping
from typing import ClassVar

from shared import errors


class OAuthError(errors.PenstockError):
    """The token request failed."""

    def problem_members(self) -> Mapping[str, str]:
        """The members that RFC 6749, section 5.2, asks for beside those of a problem."""
        return {"error": self.code(), "error_description": str(self)}


class InvalidGrant(OAuthError, errors.Invalid):
    """The user name, password or token is wrong, or no longer valid."""


class InvalidClient(OAuthError, errors.Unauthenticated):
    """The client or its secret is wrong."""

    HEADERS: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Basic realm="penstock", charset="UTF-8"'}

    def problem_headers(self) -> Mapping[str, str]:
        """A client that used the Authorization header is told the scheme (RFC 6749, section 5.2)."""
        return self.HEADERS


class InvalidRequest(OAuthError, errors.Invalid):
    """The token request can't be read: {reason}."""


class UnsupportedGrantType(OAuthError, errors.Invalid):
    """The grant type isn't one of password, refresh_token and client_credentials."""


class InvalidScope(OAuthError, errors.Invalid):
    """The scope isn't one that can be asked for here: {reason}."""

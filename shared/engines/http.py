"""HTTP APIs: the address and the headers of a request, with who asks."""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_plus, urljoin, urlsplit, urlunsplit

from shared.contracts.connection import HttpConnection

AGENT: Final = "Penstock"
MAX_URL: Final = 8000
"""Characters of a URL that is followed: what every server should take (RFC 9110, 4.1)."""

_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_IS: Final = "%/:?#[]@!$&'()*+,;=~-._"
"""Signs that may stand in a URL (RFC 3986, 2.2 and 2.3), and the sign of those that are escaped."""


class UrlRefused(ValueError):
    """A URL that an API gave is not to be followed."""


def request_of(
    connection: HttpConnection, path: str, *, query: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a request for a path below the connection's address, credentials included.

    `path` is taken as it is spelled, with a query of its own or without; `query` is added to it.
    """
    url = connection.base_url + (path if not path or path.startswith(("/", "?")) else f"/{path}")
    return with_query(url, dict(query or {}) | _token(connection)), _headers(connection)


def request_to(connection: HttpConnection, url: str) -> tuple[str, dict[str, str]]:
    """The same for a whole URL, which `followed` has let pass. Who asks is put in anew."""
    token = _token(connection)
    if not token:
        return url, _headers(connection)
    path, _, query = url.partition("?")
    others = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) not in token]
    bare = f"{path}?{'&'.join(others)}" if others else path
    return with_query(bare, token), _headers(connection)


def followed(connection: HttpConnection, base: str, told: str) -> str:
    """The whole URL for one that an API gave in its answer from `base`, without a fragment.

    Raises UrlRefused for another origin than the connection's, whoever answered, and for what is no URL.
    """
    spelled = quote(told.encode(errors="replace"), safe=_AS_IT_IS)
    try:
        url = urljoin(base, spelled)
        parts = urlsplit(url)
        origin, own = _origin(url), _origin(connection.base_url)
    except ValueError:
        raise UrlRefused("it is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise UrlRefused("it names a user")
    if origin != own:
        raise UrlRefused("it leads to another origin")
    if len(url) > MAX_URL:
        raise UrlRefused(f"it is longer than {MAX_URL} characters")
    return urlunsplit(parts._replace(fragment=""))


def with_query(url: str, query: Mapping[str, str]) -> str:
    """The URL with these parameters behind those that it has."""
    if not query:
        return url
    asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    return f"{url}{'&' if '?' in url else '?'}{asked}"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 6454, 4). Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _token(connection: HttpConnection) -> dict[str, str]:
    """The parameter that says who asks, where one does."""
    if connection.auth != "query":
        return {}
    return {connection.token_name: connection.token.get_secret_value()}


def _headers(connection: HttpConnection) -> dict[str, str]:
    headers = {"User-Agent": AGENT, "Accept": "application/json, */*;q=0.5"}
    token = connection.token.get_secret_value()
    if connection.auth == "basic":
        pair = f"{connection.user}:{connection.password.get_secret_value()}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif connection.auth == "bearer":
        headers["Authorization"] = f"Bearer {token}"
    elif connection.auth == "header":
        headers[connection.token_name] = token
    return headers

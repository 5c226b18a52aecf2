"""HTTP APIs: the address and the headers of a request, with who asks."""

import base64
from collections.abc import Mapping
from urllib.parse import quote

from shared.contracts.connection import HttpConnection

AGENT = "Penstock"


def request_of(
    connection: HttpConnection, path: str, *, query: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a request for a path below the connection's address, credentials included.

    `path` is taken as it is spelled, with a query of its own or without; `query` is added to it.
    """
    url = connection.base_url + (path if not path or path.startswith(("/", "?")) else f"/{path}")
    headers = {"User-Agent": AGENT, "Accept": "application/json, */*;q=0.5"}
    token, added = connection.token.get_secret_value(), dict(query or {})
    if connection.auth == "basic":
        pair = f"{connection.user}:{connection.password.get_secret_value()}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif connection.auth == "bearer":
        headers["Authorization"] = f"Bearer {token}"
    elif connection.auth == "header":
        headers[connection.token_name] = token
    elif connection.auth == "query":
        added[connection.token_name] = token
    return with_query(url, added), headers


def with_query(url: str, query: Mapping[str, str]) -> str:
    """The URL with these parameters behind those that it has."""
    if not query:
        return url
    asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    return f"{url}{'&' if '?' in url else '?'}{asked}"

"""A small HTTP client for the demo: standard library only, JSON in and out, SSE."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Final, cast

_CHUNK: Final = 8 * 1024 * 1024
_RENEW_BEFORE: Final = 60.0
_LAST_EVENTS: Final = frozenset({"finished", "succeeded", "failed", "cancelled", "timed_out", "dead"})
"""Events after which nothing follows: the end of a scan or of a run."""
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Our own process on loopback: no proxy that the environment names."""


class Refused(Exception):
    """The service answered with a problem."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        places = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['message']}" for fault in problem.get("errors", [])
        )
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')} {places}".strip())


class Client:
    """Calls the services as one user; logs in when it must."""

    def __init__(self, url: str, *, user: str, password: str) -> None:
        self._url = url
        self._user = user
        self._password = password
        self._token = ""
        self._expires = 0.0

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Any:
        """The JSON answer; raises `Refused` for problems."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        with self._open(method, path, data, headers=headers, query=query) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page after page."""
        cursor = None
        while True:
            page = self.call("GET", path, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def find(self, path: str, **wanted: Any) -> dict[str, Any] | None:
        """The first item of a list whose fields are these."""
        matches = (item for item in self.items(path) if wanted.items() <= item.items())
        return next(matches, None)

    def upload(self, file_path: Path) -> dict[str, Any]:
        """Upload a file in chunks, as a client that could resume would."""
        size = file_path.stat().st_size
        made: dict[str, Any] = self.call("POST", "/api/etl/v1/files", {"name": file_path.name, "size": size})
        with file_path.open("rb") as source:
            offset = 0
            while chunk := source.read(_CHUNK):
                headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
                path = f"/api/etl/v1/files/{made['id']}/content"
                with self._open("PATCH", path, chunk, headers=headers):
                    offset += len(chunk)
        return cast("dict[str, Any]", self.call("GET", f"/api/etl/v1/files/{made['id']}"))

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of a run as they come, until the stream ends; resumes where it broke off."""
        last = "0"
        ended = False
        while not ended:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
            with self._open("GET", path, headers=headers) as stream:
                for number, kind, data in _events_of(stream):
                    yield kind, data.get("data", data)
                    last, ended = number, kind in _LAST_EVENTS

    def _open(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        headers: dict[str, str],
        query: dict[str, Any] | None = None,
    ) -> HTTPResponse:
        url = self._url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - our own URL
        request.add_header("Authorization", f"Bearer {self._access_token()}")
        return _send(request)

    def _access_token(self) -> str:
        if time.monotonic() > self._expires - _RENEW_BEFORE:
            form = {"grant_type": "password", "username": self._user, "password": self._password}
            request = urllib.request.Request(  # noqa: S310 - our own URL
                f"{self._url}/api/system/v1/oauth/token",
                data=urllib.parse.urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            with _send(request) as response:
                answer = json.loads(response.read())
            self._token = answer["access_token"]
            self._expires = time.monotonic() + answer["expires_in"]
        return self._token


def _send(request: urllib.request.Request) -> HTTPResponse:
    try:
        return cast("HTTPResponse", _DIRECT.open(request, timeout=60))
    except urllib.error.HTTPError as error:
        raise Refused(error.code, json.loads(error.read() or b"{}")) from None


def _events_of(stream: HTTPResponse) -> Iterator[tuple[str, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for raw in stream:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield fields.get("id", "0"), fields.get("event", "message"), json.loads(fields["data"])
            fields = {}

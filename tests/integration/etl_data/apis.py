"""Reading from an API of this machine, as a run does."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from services.etl.loaders._base import Source
from services.etl.loaders.http import Http
from services.etl.pipeline.context import RejectedRow
from shared.contracts.connection import HttpConnection, ResourceConnection
from shared.identifiers import uuid7
from shared.security.guard import OutboundPolicy
from tests.resources import handed_out
from tests.servers.web_api import WebApi

OPEN = OutboundPolicy(allow_loopback=True)
COLUMNS = [{"name": "id", "type": "int64"}]


@dataclass
class Got:
    """What came of an API."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    rejected: list[tuple[str, RejectedRow]] = field(default_factory=list)
    cursor: str | None = None
    bytes_read: int = 0

    @property
    def ids(self) -> list[Any]:
        """The first values of the rows."""
        return [row[0] for row in self.rows]


def resource(api: WebApi, **changes: Any) -> ResourceConnection:
    """The API as a resource."""
    return handed_out(HttpConnection(base_url=changes.pop("base_url", api.url), **changes))


@dataclass
class Client:
    """Reads an API with the loader."""

    api: WebApi
    scratch: Path

    def loader(self, **params: Any) -> Http:
        """The loader; a column `id` where none is declared."""
        return Http.of({"resource_id": str(uuid7()), "columns": COLUMNS} | params)

    def source(self, *, cursor: str | None = None, policy: OutboundPolicy = OPEN, **auth: Any) -> Source:
        """What it reads from."""
        return Source(
            connection=resource(self.api, **auth), cursor=cursor, policy=policy, scratch=self.scratch
        )

    def read(self, *, cursor: str | None = None, auth: dict[str, Any] | None = None, **params: Any) -> Got:
        """Read to the end."""
        got = Got()
        with self.loader(**params).open(self.source(cursor=cursor, **(auth or {}))) as reading:
            for batch in reading:
                assert batch.rows_read == len(batch.rows) + len(batch.rejected) + batch.filtered
                got.rows += [tuple(row.values()) for row in batch.rows.to_pylist()]
                got.files += [batch.file] * len(batch.rows)
                got.records += [int(record) + batch.first for record in batch.records]
                got.rejected += [(batch.file, row) for row in batch.rejected]
        assert list(self.scratch.iterdir()) == []
        got.cursor, got.bytes_read = reading.cursor, reading.bytes_read
        return got


def answers(*given: web.StreamResponse | Callable[[], web.StreamResponse]) -> Any:
    """Answers one after the other, the last one again and again."""
    left = list(given)

    async def answer(_request: web.Request) -> web.StreamResponse:
        next_one = left.pop(0) if len(left) > 1 else left[0]
        return next_one() if callable(next_one) else next_one

    return answer


def of(pages: Sequence[Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Pages by their number, none after the last."""

    async def answer(request: web.Request) -> web.StreamResponse:
        at = int(request.query["page"]) - 1
        return web.json_response(pages[at] if at < len(pages) else [])

    return answer

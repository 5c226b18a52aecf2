"""A bucket of the test server, and a way to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from shared.engines import _s3_requests
from shared.http.outbound import Outbound
from shared.process.waiting import Backoff
from shared.security.guard import OutboundPolicy
from tests.servers.s3 import S3Server


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server(page=3) as running:
        yield running


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with Outbound(OutboundPolicy(allow_loopback=True), seconds=5) as session:
        yield session


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_s3_requests, "_PAUSES", Backoff(first=0.01, longest=0.02))

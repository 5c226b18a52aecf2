"""A gateway in front of one backend that stands for all three services."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.gateway import backend as backends
from tests.servers import nginx, private


@contextmanager
def skipping_without_nginx() -> Iterator[None]:
    try:
        yield
    except private.ServerMissing as missing:
        if os.environ.get("PENSTOCK_TESTS_NEED_SERVERS"):
            raise
        pytest.skip(f"{missing} (`make test` installs it where it can)")


@pytest.fixture
async def backend() -> AsyncIterator[backends.Backend]:
    async with backends.serving() as serving:
        yield serving


@pytest.fixture
def gateway(backend: backends.Backend) -> Iterator[nginx.Gateway]:
    """The gateway with the rates that ship and a page where the console's will be."""
    upstreams = nginx.fixed(dict.fromkeys(nginx.SERVICES, backend.address))
    with skipping_without_nginx(), nginx.running(upstreams) as gateway:
        gateway.write_page("index.html", "the console")
        gateway.write_page("assets/app.js", "let a = 1;" * 400)
        yield gateway

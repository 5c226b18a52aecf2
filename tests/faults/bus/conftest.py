"""A broker that may be broken, a network that may fail, and a log of what no task may leave behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from shared.bus.rabbit import RabbitBus
from tests.contract.bus_places import Places, new_places
from tests.servers import private, proxy, rabbitmq


@pytest.fixture(scope="session")
def broker() -> Iterator[rabbitmq.Broker]:
    """A private RabbitMQ for those who break it; every test leaves it running."""
    try:
        with rabbitmq.running() as broker:
            yield broker
    except private.ServerMissing as missing:
        if os.environ.get("PENSTOCK_TESTS_NEED_SERVERS"):
            raise
        pytest.skip(f"{missing} (`make test` installs it where it can)")


@pytest.fixture
def places() -> Places:
    return new_places()


@pytest.fixture(autouse=True)
async def unheard() -> AsyncIterator[list[dict[str, Any]]]:
    """Errors that nobody awaited; a fault must not leave any."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: heard.append(told))
    yield heard
    assert heard == []


@pytest.fixture
async def bus(broker: rabbitmq.Broker, places: Places, unheard: object) -> AsyncIterator[RabbitBus]:
    """A bus with the places declared; it finds out within seconds what the shipped one needs longer for."""
    bus = RabbitBus(broker.url, name="tests", heartbeat=1, renew=0.5)
    await bus.declare(places.topology)
    yield bus
    await bus.close()


@pytest.fixture
async def network(broker: rabbitmq.Broker) -> AsyncIterator[proxy.Proxy]:
    """The way to the broker."""
    async with proxy.before(broker.port) as between:
        yield between


@pytest.fixture
async def far_bus(
    broker: rabbitmq.Broker, network: proxy.Proxy, places: Places, unheard: object
) -> AsyncIterator[RabbitBus]:
    """As `bus`, behind the network that may fail."""
    url = broker.url.replace(f":{broker.port}/", f":{network.port}/")
    bus = RabbitBus(url, name="tests", heartbeat=1, renew=0.5)
    await bus.declare(places.topology)
    yield bus
    network.heal()
    await bus.close()

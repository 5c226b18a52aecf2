"""The bus on RabbitMQ keeps the promises of every bus."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.opening import open_bus
from shared.bus.port import Bus, Queue
from tests.contract.bus import BusContract
from tests.servers import rabbitmq


class TestRabbitBus(BusContract):
    @pytest.fixture
    async def bus(self, rabbitmq_vhost: rabbitmq.Broker) -> AsyncIterator[Bus]:
        self.broker = rabbitmq_vhost
        bus = open_bus(rabbitmq_vhost.url, name="tests")
        yield bus
        await bus.close()

    async def break_queue(self, bus: Bus, queue: Queue) -> None:
        await self.broker.delete_queue(queue.name)

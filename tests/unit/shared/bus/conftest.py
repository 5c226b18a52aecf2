"""A bus in memory with the places of the contract suite."""

import pytest

from shared.bus.memory import MemoryBus
from tests.contract.bus_places import Places, new_places


@pytest.fixture
async def places() -> Places:
    return new_places()


@pytest.fixture
async def bus(places: Places) -> MemoryBus:
    bus = MemoryBus()
    await bus.declare(places.topology)
    return bus

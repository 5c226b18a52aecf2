"""What every bus promises. An adapter joins with one class that gives a `bus` and breaks a queue:

    class TestRabbitBus(BusContract):
        @pytest.fixture
        async def bus(self) -> AsyncIterator[Bus]: ...
        async def break_queue(self, bus, queue): ...      # as an operator who deletes it

Names are new in every test, so that a broker may be shared. Absence is never waited for: a marker is
published behind, and what must not come would have come before it.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator

import pytest

from shared.bus.port import Bus
from tests.contract.bus_delivering import DeliveringContract, RedeliveringContract
from tests.contract.bus_ending import EndingContract
from tests.contract.bus_hearing import HearingContract
from tests.contract.bus_places import Places, new_places
from tests.contract.bus_publishing import PublishingContract


class BusContract(
    PublishingContract, DeliveringContract, RedeliveringContract, EndingContract, HearingContract
):
    @pytest.fixture
    @abstractmethod
    def bus(self) -> AsyncIterator[Bus]:
        """A bus with nothing declared by this test."""
        raise NotImplementedError

    @pytest.fixture
    async def places(self, bus: Bus) -> Places:
        places = new_places()
        await bus.declare(places.topology)
        return places

"""Which bus an address stands for."""

import subprocess
import sys

import pytest

from shared.bus.memory import MemoryBus
from shared.bus.opening import bus_of, endpoint_of, open_bus
from shared.bus.rabbit import RabbitBus

SECRET = "amqp://penstock:hunter2@broker/"


def test_without_an_address_the_bus_is_in_this_process() -> None:
    assert isinstance(open_bus(None, name="tests"), MemoryBus)


@pytest.mark.parametrize("url", [SECRET, "amqps://penstock:hunter2@broker:5671/vhost"])
def test_a_broker_is_not_dialled_before_it_is_used(url: str) -> None:
    assert isinstance(open_bus(url, name="tests"), RabbitBus)


async def test_the_bus_is_closed_when_the_block_is_left() -> None:
    async with bus_of(None, name="tests") as bus:
        assert await bus.healthy()
    assert not await bus.healthy()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("amqp://user:secret@broker/", "broker:5672"),
        ("amqps://broker", "broker:5671"),
        ("amqp://user:secret@10.1.2.3:5673/%2Fhost", "10.1.2.3:5673"),
        ("amqp://user@[2001:db8::1]/", "[2001:db8::1]:5672"),
    ],
)
def test_an_endpoint_is_host_and_port(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize(
    "url", ["http://user:hunter2@broker:80/", "hunter2", "amqp://", "amqp://u:hunter2@broker:port/", ""]
)
def test_other_addresses_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        open_bus(url, name="tests")
    assert "hunter2" not in str(refused.value)


def test_a_bus_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(open_bus(SECRET, name="tests"))


def test_a_bus_in_this_process_loads_no_driver_of_a_broker() -> None:
    seen = "import sys, shared.bus.opening as o; o.open_bus(None, name='t'); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert "shared.bus.memory" in loaded.stdout
    assert not {"aio_pika", "aiormq", "shared.bus.rabbit"} & set(loaded.stdout.replace("'", "").split(", "))

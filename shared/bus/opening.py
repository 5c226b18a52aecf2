"""Which bus an address stands for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from shared.bus.memory import MemoryBus
from shared.bus.port import Bus

_PORTS: Final = {"amqp": 5672, "amqps": 5671}


def open_bus(url: str | None, *, name: str) -> Bus:
    """The bus at an amqp:// or amqps:// address, or one inside this process when there is none.

    Nothing is connected yet. `name` is what the broker's operators see. Raises ValueError, which doesn't
    repeat the address, for any other.
    """
    if url is None:
        return MemoryBus()
    endpoint_of(url)
    from shared.bus.rabbit import RabbitBus

    return RabbitBus(url, name=name)


@asynccontextmanager
async def bus_of(url: str | None, *, name: str) -> AsyncIterator[Bus]:
    """The bus of `open_bus`, closed when the block is left."""
    bus = open_bus(url, name=name)
    try:
        yield bus
    finally:
        await bus.close()


def endpoint_of(url: str) -> str:
    """Host and port of a broker's address, without the rest. Raises ValueError as `open_bus` does."""
    try:
        address = urlsplit(url)
        usual = _PORTS[address.scheme]
        port = address.port or usual
    except (KeyError, ValueError):
        raise ValueError("a message broker's address begins with amqp:// or amqps://") from None
    if not address.hostname:
        raise ValueError("a message broker's address names its host")
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    return f"{host}:{port}"

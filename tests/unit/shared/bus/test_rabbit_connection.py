"""A connection that can't be had leaves nothing behind."""

import asyncio
import gc
import logging

import pytest

from shared.bus.rabbit import RabbitBus
from tests.servers.private import free_port


async def test_a_broker_that_is_not_there_leaves_no_connection_to_be_closed_by_the_collector(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "aiormq")  # a record would keep the error, and so the connection
    gc.disable()  # the driver's objects are in a cycle, which is collected some time, in whatever thread
    try:
        answered = await asks_nobody()
        await asyncio.to_thread(gc.collect)
    finally:
        gc.enable()
    assert not answered
    assert [str(one.message) for one in recwarn if "never awaited" in str(one.message)] == []


async def asks_nobody() -> bool:
    bus = RabbitBus(f"amqp://user:password@127.0.0.1:{free_port()}/", name="test")
    answered = await bus.healthy()
    await bus.close()
    return answered

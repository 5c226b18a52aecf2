"""The private RabbitMQ itself."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aio_pika
import psutil
import pytest

from tests.servers import rabbitmq

ROOT = Path(__file__).parents[2]
CRASHING = """
import sys
from tests.servers import rabbitmq
with rabbitmq.running() as broker:
    print(broker.node.port, broker.node.mapper_port, broker.node.folder, flush=True)
    sys.stdin.read()
"""


async def test_a_test_gets_an_empty_virtual_host_of_its_own(rabbitmq_vhost: rabbitmq.Broker) -> None:
    async with await aio_pika.connect(rabbitmq_vhost.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("q", durable=True)
        queues = f'length(rabbit_amqqueue:list(<<"{rabbitmq_vhost.vhost}">>)).'
        assert await rabbitmq_vhost.ask(queues) == "1"
        await rabbitmq_vhost.delete_queue("q")
        assert await rabbitmq_vhost.ask(queues) == "0"


async def test_others_can_not_enter(rabbitmq_vhost: rabbitmq.Broker) -> None:
    foreign = rabbitmq_vhost.url.replace(rabbitmq_vhost.node.password, "guessed")
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await aio_pika.connect(foreign)
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await aio_pika.connect(foreign.replace(f"{rabbitmq.USER}:guessed", "guest:guest"))


async def test_closing_connections_reaches_those_of_one_virtual_host_only(
    rabbitmq_server: rabbitmq.Broker, rabbitmq_vhost: rabbitmq.Broker
) -> None:
    async with await aio_pika.connect(rabbitmq_server.url) as spared:
        cut = await aio_pika.connect(rabbitmq_vhost.url)
        told = asyncio.Event()
        cut.close_callbacks.add(lambda *_: told.set())
        await rabbitmq_vhost.close_connections()
        async with asyncio.timeout(10):
            await told.wait()
        await cut.close()
        assert await (await spared.channel()).declare_queue(exclusive=True)


async def test_the_server_is_private_and_not_run_by_root(rabbitmq_server: rabbitmq.Broker) -> None:
    node = rabbitmq_server.node
    assert node.server is not None
    pid = int((await rabbitmq_server.ask("os:getpid().")).strip('"'))
    process = psutil.Process(pid)
    assert process.uids().real != 0
    heard = {c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert heard == {"127.0.0.1"}
    assert oct(node.folder.stat().st_mode)[-3:] == "700"


def test_a_killed_test_process_leaves_no_server_behind(rabbitmq_server: rabbitmq.Broker) -> None:
    tester = subprocess.Popen(
        [sys.executable, "-c", CRASHING], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tester.stdout is not None
    port, mapper_port, folder = tester.stdout.readline().decode().split()
    ports = int(port), int(mapper_port)
    assert all(map(rabbitmq.listening, ports))
    os.kill(tester.pid, signal.SIGKILL)
    tester.communicate()
    deadline = time.monotonic() + 15
    while (any(map(rabbitmq.listening, ports)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(rabbitmq.listening, ports))
    assert not Path(folder).exists()

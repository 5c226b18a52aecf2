"""A private RabbitMQ: a node and a port mapper of its own in a temporary folder, on loopback, on free ports.

The node is asked by `erl_call`, which answers in milliseconds where rabbitmqctl needs a second, with
the functions that rabbitmqctl calls.
"""

import asyncio
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.servers.private import Account, Guarded, ServerFailed, find_program, free_port

START_SECONDS = 60.0
ATTEMPTS = 5
DEBIAN = Path("/usr/lib/rabbitmq/bin")
USER = "penstock_tests"
CONFIGURATION = """
listeners.tcp.default = 127.0.0.1:{port}
num_acceptors.tcp = 2
loopback_users = none
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 16MB
raft.wal_max_size_bytes = 16777216
log.file = false
log.console = true
log.console.level = warning
"""
CLOSE_CONNECTIONS = """
[rabbit_networking:close_connection(Pid, "the test says so") || Pid <- rabbit_networking:connections(),
    [{{vhost, <<"{vhost}">>}}] =:= rabbit_reader:info(Pid, [vhost])].
"""
DELETE_QUEUE = """
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{name}">>)),
{{ok, _}} = rabbit_amqqueue:delete(Queue, false, false, <<"tests">>).
"""
CREATE_VHOST = """
ok = rabbit_vhost:add(<<"{vhost}">>, <<"tests">>),
ok = rabbit_auth_backend_internal:set_permissions(
    <<"{user}">>, <<"{vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""
DELETE_VHOST = 'ok = rabbit_vhost:delete(<<"{vhost}">>, <<"tests">>).'
WIPE = "ok = rabbit:stop(), ok = rabbit_mnesia:force_reset(), ok = rabbit:start()."


@dataclass
class Node:
    """One Erlang node: its programs, its ports, its folder, and the guard it runs under right now."""

    account: Account
    folder: Path
    password: str
    port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    mapper_port: int = field(default_factory=free_port)
    server: Guarded | None = None

    def launch(self) -> bool:
        """Start the node; False when it didn't come up, for example because a port was taken."""
        self._prepare()
        program = find_server()
        self.server = self.account.guarded(
            [str(program), "-noinput", "+S", "2:2", "-start_epmd", "false"],
            folder=self.folder / "running",
            stop_signal=signal.SIGKILL,
            variables=self.variables(),
        )
        return _answers(self.server, self.port)

    def kill(self) -> None:
        """End the node at once, as a crash does; what it had written stays."""
        if self.server is not None:
            self.server.stop()
            self.server = None

    def ask(self, expression: str) -> str:
        """Evaluate an Erlang expression in the node; raises ServerFailed when it fails."""
        command = [str(find_program("erl_call")), "-sname", self.name, "-e"]
        answer = self.account.run(
            command, folder=self.folder, given=f"{expression}\n", variables=self.variables()
        )
        if not answer.startswith("{ok,"):
            raise ServerFailed(answer)
        return answer.removeprefix("{ok,").rstrip().removesuffix("}").strip()

    @property
    def name(self) -> str:
        return f"penstock{self.port}@localhost"

    def variables(self) -> dict[str, str]:
        """The environment of the node and of whoever asks it; nothing of the machine's own RabbitMQ."""
        distribution = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_BYTES": "0",
            "RABBITMQ_ALLOW_INPUT": "1",  # the script becomes the node then, instead of its parent
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self.internal_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": distribution,
        }

    def _prepare(self) -> None:
        self.account.directory(self.folder / "running")
        self.account.file(self.folder / ".erlang.cookie", secrets.token_hex(16))
        self.account.file(self.folder / "plugins", "[].\n")
        settings = CONFIGURATION.format(port=self.port, user=USER, password=self.password)
        self.account.file(self.folder / "rabbitmq.conf", settings)


@dataclass(frozen=True)
class Broker:
    """One virtual host of a private RabbitMQ, and the faults that its node can be given."""

    node: Node = field(repr=False)
    vhost: str = "/"

    @property
    def url(self) -> str:
        """The URL for a client, with user and password."""
        vhost = "%2F" if self.vhost == "/" else self.vhost
        return f"amqp://{USER}:{self.node.password}@127.0.0.1:{self.node.port}/{vhost}"

    @property
    def port(self) -> int:
        return self.node.port

    async def stop_app(self) -> None:
        """Stop the broker inside its node, as `rabbitmqctl stop_app` does: nobody can connect."""
        await self._ask("ok = rabbit:stop().")

    async def start_app(self) -> None:
        """Start the broker again after `stop_app`."""
        await self._ask("ok = rabbit:start().")

    async def kill(self) -> None:
        """End the node at once, as a crash does.

        A quorum queue that is younger than some seconds may come back without a leader from that.
        """
        await asyncio.to_thread(self.node.kill)

    async def restart(self) -> None:
        """Start the node again on its data and its ports; kills it first when it runs."""
        await self.kill()
        if not await asyncio.to_thread(self.node.launch):
            raise ServerFailed(self.node.server.printed() if self.node.server else "")

    async def wipe(self) -> None:
        """Remove everything but the user and the virtual host `/`: queues, messages, other hosts."""
        await self._ask(WIPE)

    async def close_connections(self) -> None:
        """Close all connections to this virtual host, as an operator may."""
        await self._ask(CLOSE_CONNECTIONS)

    async def delete_queue(self, name: str) -> None:
        """Delete a queue with its messages, whoever consumes from it."""
        await self._ask(DELETE_QUEUE, name=name)

    async def create_vhost(self) -> "Broker":
        """A new empty virtual host of the same node."""
        made = replace(self, vhost=f"test_{secrets.token_hex(6)}")
        await made._ask(CREATE_VHOST, user=USER)
        return made

    async def drop_vhost(self, broker: "Broker") -> None:
        """Remove a virtual host, whoever may still be connected to it."""
        await broker._ask(DELETE_VHOST)

    async def ask(self, expression: str) -> str:
        """The value of an Erlang expression, for what only a test wants to know."""
        return await asyncio.to_thread(self.node.ask, expression)

    async def _ask(self, expression: str, **facts: str) -> None:
        await self.ask(expression.format(vhost=self.vhost, **facts))


@contextmanager
def running() -> Iterator[Broker]:
    """A new node that runs until the end of the block, or of this process."""
    find_server()
    node, mapper = _started()
    try:
        yield Broker(node)
    finally:
        node.kill()
        mapper.stop()


def find_server() -> Path:
    """The program itself: the one that Debian puts on the PATH insists on its own account and paths."""
    program = DEBIAN / "rabbitmq-server"
    return program if program.exists() else find_program("rabbitmq-server")


def _started() -> tuple[Node, Guarded]:
    """Another process may take a free port before the node does: then all is tried again."""
    printed = ""
    for _ in range(ATTEMPTS):
        account = Account.unprivileged()
        node = Node(account, account.folder("penstock-rabbitmq-"), secrets.token_hex(16))
        mapper = account.guarded(
            [str(find_program("epmd")), "-port", str(node.mapper_port), "-address", "127.0.0.1"],
            folder=node.folder,
            stop_signal=signal.SIGKILL,  # it heeds nothing milder while nodes are registered
        )
        if _answers(mapper, node.mapper_port) and node.launch():
            return node, mapper
        printed = node.server.printed() if node.server else ""
        node.kill()
        mapper.stop()
    raise ServerFailed(printed)


def _answers(server: Guarded, port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.alive():
        if listening(port):
            return True
        time.sleep(0.05)
    return False


def listening(port: int) -> bool:
    """Whether somebody takes connections at this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0

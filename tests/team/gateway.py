"""The gateway before a team: nginx as it ships, finding the services by names that can move."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.process import Caller, log_in
from tests.servers import names, nginx
from tests.team.processes import Process, Team


@dataclass(frozen=True)
class Front:
    """A team behind its gateway: what a tenant sees of it."""

    team: Team
    gateway: nginx.Gateway
    names: names.Names

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.gateway.port}"

    def admin(self) -> Caller:
        """The platform's administrator."""
        return log_in(self.netloc, "admin", self.team.admin_password)

    def point(self, one: Process) -> None:
        """Let the name of a service lead to where it is now."""
        self.names.point(_name(one), one.host)


@contextmanager
def standing_before(team: Team) -> Iterator[Front]:
    """The gateway until the end of the block."""
    with names.running() as known:
        endpoints = {one.name: f"{_name(one)}:{one.port}" for one in team.services}
        with nginx.running(nginx.named(known.address, endpoints)) as gateway:
            front = Front(team, gateway, known)
            for one in team.services:
                front.point(one)
            yield front


def _name(one: Process) -> str:
    return f"{one.name}.test"

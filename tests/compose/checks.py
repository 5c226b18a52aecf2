"""What is true of the containers as they run, whatever the file says."""

import ipaddress
import json
import time
from pathlib import Path
from typing import Any

from deploy.compose.engine import Compose
from tests.acceptance.process import Caller

OURS = {"gateway", "system", "meta", "etl", "runner", "migrate"}
FOLLOWED_SECONDS = 15.0


def nothing_is_privileged(compose: Compose) -> None:
    """No container of ours has a root user, a capability, a writable root, or a port but the gateway's."""
    for service, told in _inspected(compose):
        if service not in OURS:
            continue
        host = told["HostConfig"]
        assert told["Config"]["User"].split(":")[0] not in {"", "0", "root"}, service
        assert host["ReadonlyRootfs"], service
        assert (host["CapDrop"], host["CapAdd"] or []) == (["ALL"], []), service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert bool(host["PortBindings"]) == (service == "gateway"), service


def no_secret_can_be_inspected(compose: Compose, folder: Path) -> None:
    """What `docker inspect` shows of a container holds none of the secrets."""
    secrets = {path.name: path.read_text(encoding="utf-8").strip() for path in folder.iterdir()}
    assert len(secrets) > 5
    for service, told in _inspected(compose):
        shown = json.dumps(told)
        assert [name for name, secret in secrets.items() if secret in shown] == [], service


def the_audit_knows_who_called(admin: Caller, edge: str) -> None:
    """What came through the gateway came from its client, and not from the gateway."""
    entries = admin.items("/api/system/v1/audit")
    addresses = {entry["address"] for entry in entries if entry["action"] == "session.opened"}
    assert addresses, entries
    inside = ipaddress.ip_network(edge)
    assert not any(ipaddress.ip_address(one) in inside for one in addresses), addresses


def give_another_address(compose: Compose, service: str, network: str) -> None:
    """Take the service out of the network and bring it back where it wasn't."""
    (moving,) = [one for one in compose.containers() if one.service == service]
    told = json.loads(compose.docker("inspect", moving.id))[0]["NetworkSettings"]["Networks"][network]
    before = told["IPAddress"]
    another = f"{before.rpartition('.')[0]}.{200 + int(before.rpartition('.')[2]) % 50}"
    compose.docker("network", "disconnect", network, moving.id)
    compose.docker("network", "connect", "--ip", another, "--alias", service, network, moving.id)


def first_answer(caller: Caller, path: str) -> float:
    """The moment of the first 200."""
    deadline = time.monotonic() + FOLLOWED_SECONDS
    while time.monotonic() < deadline:
        if caller.call("GET", path).status == 200:
            return time.monotonic()
        time.sleep(0.1)
    raise AssertionError(f"{path} did not come back within {FOLLOWED_SECONDS:.0f} s")


def _inspected(compose: Compose) -> list[tuple[str, dict[str, Any]]]:
    running = compose.containers()
    told = json.loads(compose.docker("inspect", *(one.id for one in running)))
    service_of = {one.id: one.service for one in running}
    return [(service_of[one["Id"]], one) for one in told]

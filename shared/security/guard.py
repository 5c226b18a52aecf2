"""The outbound guard: where a tenant's configuration may make us connect to.

Whoever connects resolves and checks here, and then connects to an address that was returned, never to
the name again: a second resolution may answer something else.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from shared.errors import Invalid
from shared.security.addresses import Address, Kind, embedded, kind_of

ALLOW_LOOPBACK: Final = "PENSTOCK_OUTBOUND_ALLOW_LOOPBACK"
DENY_PRIVATE: Final = "PENSTOCK_OUTBOUND_DENY_PRIVATE"
ALLOWED_NETWORKS: Final = "PENSTOCK_OUTBOUND_ALLOWED_NETWORKS"
DENIED_ADDRESSES: Final = "PENSTOCK_OUTBOUND_DENIED_ADDRESSES"

_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,252}", re.ASCII)
_ENDPOINT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d{1,5}))?")
_RESOLVE_SECONDS: Final = 5.0
# Its own threads: a resolver that hangs must not take those that other work waits for.
_RESOLVERS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")


class OutboundRefused(Invalid):
    """Connecting to {host} is refused: {reason}."""


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Where connections may go. Plain values, so that it can be sent to a child process.

    `allowed_networks` are networks in CIDR form that `deny_private` lets through. `denied_addresses` are
    `host`, `host:port` or `[address]:port`: the platform's own database, broker and services. Link-local,
    multicast, cloud metadata and reserved addresses are refused always. ValueError for what can't be read.
    """

    allow_loopback: bool = False
    deny_private: bool = False
    allowed_networks: tuple[str, ...] = ()
    denied_addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for network in self.allowed_networks:
            ipaddress.ip_network(network)
        for endpoint in self.denied_addresses:
            _endpoint(endpoint)


async def checked_address(host: str, port: int, policy: OutboundPolicy) -> list[str]:
    """The addresses of a host, all of them checked: connect to one of these.

    OutboundRefused when one of them is not allowed (a name with one good and one bad address is a
    trick), OSError when the name has no address or the resolver doesn't answer.
    """
    if not _HOST.fullmatch(host):
        raise OutboundRefused(host="that host", reason="it is neither a name nor an address", loc=("host",))
    denied = await _resolved(policy.denied_addresses, port)
    found = await _addresses(host)
    for address in found:
        reason = refusal(address, policy, denied=denied)
        if reason:
            raise OutboundRefused(host=host, reason=reason, loc=("host",))
    return list(dict.fromkeys(str(address) for address in found))


def refusal(
    address: Address,
    policy: OutboundPolicy,
    *,
    denied: Sequence[Address] = (),
    is_own: Callable[[Address], bool] | None = None,
) -> str | None:
    """Why this address is refused, naming the setting that decides; None when it is allowed."""
    kind, inside = kind_of(address), _inside(address)
    if kind is not Kind.FORBIDDEN and any((is_own or _is_own)(one) for one in inside):
        kind = Kind.LOOPBACK
    if any(_same(one, other) for one in inside for other in denied):
        return f"it is an address of the platform itself ({DENIED_ADDRESSES})"
    if kind is Kind.FORBIDDEN:
        return f"it is {kind.value}, which no setting allows"
    if kind is Kind.LOOPBACK and not policy.allow_loopback:
        return f"it is {kind.value} ({ALLOW_LOOPBACK} decides)"
    if kind is Kind.PRIVATE and policy.deny_private and not _allowed(inside, policy):
        return f"it is {kind.value} ({DENY_PRIVATE} and {ALLOWED_NETWORKS} decide)"
    return None


def _inside(address: Address) -> list[Address]:
    """The address and those it stands for."""
    return [address] if address.version == 4 else [address, *embedded(address)]  # noqa: PLR2004 - IPv4


def _allowed(addresses: Iterable[Address], policy: OutboundPolicy) -> bool:
    networks = [ipaddress.ip_network(network) for network in policy.allowed_networks]
    return any(address in network for address in addresses for network in networks)


def _same(address: Address, denied: Address) -> bool:
    """Equal, or both of this machine: what listens on one of its addresses often listens on all."""
    both_local = _is_local(denied) and _is_local(address)
    return both_local or address in _inside(denied)


def _is_local(address: Address) -> bool:
    return kind_of(address) is Kind.LOOPBACK or _is_own(address)


def _is_own(address: Address) -> bool:
    """Whether packets to this address stay on this machine: then they would leave from that address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # UDP: nothing is sent
            return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except OSError:
        return False


async def _resolved(endpoints: Sequence[str], port: int) -> list[Address]:
    """The addresses of those denied endpoints that concern this port."""
    found: list[Address] = []
    for host, denied_port in map(_endpoint, endpoints):
        if denied_port in (None, port):
            try:
                found += await _addresses(host)
            except OSError:
                continue  # what has no address can't be reached
    return found


async def _addresses(host: str) -> list[Address]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_RESOLVE_SECONDS):
        found = await loop.run_in_executor(_RESOLVERS, _getaddrinfo, host)
    return [ipaddress.ip_address(address) for address in found]


def _getaddrinfo(host: str) -> list[str]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError("not a name") from error
    return [str(answer[4][0]).partition("%")[0] for answer in answers]


def _endpoint(text: str) -> tuple[str, int | None]:
    try:
        return str(ipaddress.ip_address(text)), None
    except ValueError:
        pass
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is neither host nor host:port")
    return match["six"] or match["host"], None if match["port"] is None else int(match["port"])

"""Where connections may go."""

import ipaddress
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security import guard
from shared.security.addresses import Kind, kind_of
from shared.security.guard import OutboundPolicy, OutboundRefused, checked_address

LAPTOP = OutboundPolicy(allow_loopback=True, denied_addresses=("127.0.0.1:5672",))
TEAM = OutboundPolicy()
STRICT = OutboundPolicy(deny_private=True, allowed_networks=("10.1.0.0/16", "fd12::/16"))


EVERYTHING = OutboundPolicy(allow_loopback=True, allowed_networks=("0.0.0.0/0", "::/0"))
LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "localhost",
    "LOCALHOST",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::",
    "::127.0.0.1",
]
NEVER = [
    "169.254.169.254",
    "0.0.0.0",
    "0",
    "::",
    "fe80::1%1",
    "224.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "240.0.0.1",
    "fd00:ec2::254",
]
NO_HOSTS = [
    *[
        "/var/run/postgresql",
        "@abstract",
        "a,b",
        "-oProxyCommand=x",
        "http://x",
        "x/y",
        "ä.de",
        "①②⑦.0.0.1",
        "user@host",
        "[::1]",
        "h?x",
    ],
    *("", "a b", "a\0b", "a\nb", "a" * 254),
]


def _mapped(inner: IPv4Address) -> int:
    return 0xFFFF << 32 | int(inner)


def _compatible(inner: IPv4Address) -> int:
    return int(inner)


def _translated(inner: IPv4Address) -> int:
    return 0xFFFF << 48 | int(inner)


def _nat64(inner: IPv4Address) -> int:
    return int(IPv6Address("64:ff9b::")) | int(inner)


def _local_nat64(inner: IPv4Address) -> int:
    return int(IPv6Address("64:ff9b:1::")) | int(inner)


def _local_nat64_48(inner: IPv4Address) -> int:
    number = int(inner)
    return int(IPv6Address("64:ff9b:1::")) | (number >> 16) << 64 | (number & 0xFFFF) << 40


def _six_to_four(inner: IPv4Address) -> int:
    return 0x2002 << 112 | int(inner) << 80 | 0x1234


def _teredo_client(inner: IPv4Address) -> int:
    return 0x20010000 << 96 | int(IPv4Address("8.8.8.8")) << 64 | (~int(inner) & 0xFFFFFFFF)


def _teredo_server(inner: IPv4Address) -> int:
    return 0x20010000 << 96 | int(inner) << 64 | (~int(IPv4Address("8.8.8.8")) & 0xFFFFFFFF)


def _isatap(inner: IPv4Address) -> int:
    return int(IPv6Address("2a00:1450::")) | 0x5EFE << 32 | int(inner)


PLAIN_FORMS = (_mapped, _compatible, _translated, _nat64)
OTHER_FORMS = (_local_nat64, _local_nat64_48, _six_to_four, _teredo_client, _teredo_server, _isatap)

Form = Callable[[IPv4Address], int]
INNER = st.one_of(
    st.integers(0, 2**32 - 1),
    *(
        st.integers(int(network[0]), int(network[-1]))
        for network in map(
            ipaddress.IPv4Network,
            ("127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8", "192.168.0.0/16"),
        )
    ),
).map(IPv4Address)
_ORDER = list(Kind)


@given(inner=INNER, form=st.sampled_from(PLAIN_FORMS + OTHER_FORMS))
def test_an_address_inside_another_is_judged_no_better(inner: IPv4Address, form: Form) -> None:
    outer = IPv6Address(form(inner))
    assert _ORDER.index(kind_of(outer)) >= _ORDER.index(kind_of(inner)) or outer == IPv6Address("::1")


@given(inner=INNER)
def test_a_plain_translation_is_judged_as_what_it_stands_for(inner: IPv4Address) -> None:
    for form in (_mapped, _translated, _nat64):
        assert kind_of(IPv6Address(form(inner))) is kind_of(inner)


@given(st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)))
def test_every_address_has_a_kind_and_what_is_not_global_is_not_public(
    address: IPv4Address | IPv6Address,
) -> None:
    if kind_of(address) is Kind.PUBLIC and isinstance(address, IPv4Address):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        (Kind.PUBLIC, "8.8.8.8 2a00:1450::1 64:ff9b::808:808 ::ffff:8.8.8.8 2002:808:808::"),
        (Kind.PRIVATE, "10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 fd00::1 fec0::1 ::ffff:10.0.0.1"),
        (Kind.LOOPBACK, "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 ::127.0.0.1"),
        (
            Kind.FORBIDDEN,
            "0.0.0.0 0.1.2.3 :: 224.0.0.1 ff02::1 240.0.0.1 255.255.255.255 169.254.1.1 fe80::1",
        ),
        (
            Kind.FORBIDDEN,
            "169.254.169.254 fd00:ec2::254 fd20:ce::254 100.100.100.200 168.63.129.16 192.0.0.192",
        ),
        (Kind.FORBIDDEN, "2002:a9fe:a9fe:: ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe"),
    ],
)
def test_addresses_of_each_kind(kind: Kind, addresses: str) -> None:
    assert {
        address: kind_of(ipaddress.ip_address(address)) for address in addresses.split()
    } == dict.fromkeys(addresses.split(), kind)


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_loopback_is_refused_in_every_spelling_and_the_setting_is_named(host: str) -> None:
    with pytest.raises(OutboundRefused, match="PENSTOCK_OUTBOUND_ALLOW_LOOPBACK"):
        await checked_address(host, 5432, TEAM)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "::ffff:127.0.0.1", "::1", "localhost", "127.9.9.9"])
async def test_the_platforms_own_ports_are_refused_by_every_address_of_the_machine(host: str) -> None:
    with pytest.raises(OutboundRefused, match="PENSTOCK_OUTBOUND_DENIED_ADDRESSES"):
        await checked_address(host, 5672, LAPTOP)
    assert await checked_address(host, 5673, LAPTOP)


async def test_this_machines_other_addresses_are_its_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ipaddress.ip_address("192.0.2.7")
    monkeypatch.setattr(guard, "_is_own", lambda address: address == own)
    with pytest.raises(OutboundRefused, match="ALLOW_LOOPBACK"):
        await checked_address("192.0.2.7", 5432, TEAM)
    with pytest.raises(OutboundRefused, match="DENIED_ADDRESSES"):
        await checked_address("192.0.2.7", 5672, LAPTOP)


def test_an_address_of_this_machine_is_recognised() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no route to anywhere")
        own = ipaddress.ip_address(probe.getsockname()[0])
    assert guard._is_own(own)
    assert not guard._is_own(ipaddress.ip_address("192.0.2.1"))


@pytest.mark.parametrize("host", NEVER)
@pytest.mark.parametrize("policy", [LAPTOP, TEAM, EVERYTHING])
async def test_some_addresses_are_refused_whatever_is_set(host: str, policy: OutboundPolicy) -> None:
    with pytest.raises(OutboundRefused, match="no setting allows"):
        await checked_address(host, 80, policy)


async def test_private_addresses_are_allowed_unless_the_strict_mode_is_on() -> None:
    assert await checked_address("10.2.0.1", 5432, TEAM) == ["10.2.0.1"]
    with pytest.raises(OutboundRefused, match="PENSTOCK_OUTBOUND_DENY_PRIVATE and PENSTOCK_OUT"):
        await checked_address("10.2.0.1", 5432, STRICT)
    assert await checked_address("10.1.2.3", 5432, STRICT) == ["10.1.2.3"]
    assert await checked_address("fd12::1", 5432, STRICT) == ["fd12::1"]
    assert await checked_address("8.8.8.8", 5432, STRICT) == ["8.8.8.8"]


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_what_is_neither_name_nor_address_is_refused(host: str) -> None:
    with pytest.raises(OutboundRefused, match="neither a name nor an address"):
        await checked_address(host, 5432, LAPTOP)


@pytest.mark.parametrize("host", ["a..b", "no-such-host.invalid", "x" * 64 + ".invalid"])
async def test_a_name_without_an_address_is_an_os_error(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(name: str, *rest: object, **options: object) -> object:
        if name.endswith(".invalid"):
            raise socket.gaierror(-2, "Name or service not known")
        return real(name, *rest, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(OSError):
        await checked_address(host, 5432, LAPTOP)


async def test_a_name_with_one_bad_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_getaddrinfo", lambda _: ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(OutboundRefused, match="ALLOW_LOOPBACK"):
        await checked_address("rebinding.example", 5432, TEAM)


async def test_the_platforms_own_database_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_getaddrinfo", lambda host: {"postgres": ["10.5.0.2"]}.get(host, [host]))
    policy = OutboundPolicy(denied_addresses=("postgres:5432", "10.5.0.9"))
    for host, port in (("postgres", 5432), ("10.5.0.2", 5432), ("::ffff:10.5.0.2", 5432), ("10.5.0.9", 1)):
        with pytest.raises(OutboundRefused, match="DENIED_ADDRESSES"):
            await checked_address(host, port, policy)
    assert await checked_address("10.5.0.2", 5433, policy)


@pytest.mark.parametrize("wrong", [{"allowed_networks": ("10.0.0.1/8",)}, {"denied_addresses": ("a:b:c",)}])
def test_a_policy_that_can_not_be_read_is_refused_at_once(wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError):
        OutboundPolicy(**wrong)  # type: ignore[arg-type]  # the two fields are tuples

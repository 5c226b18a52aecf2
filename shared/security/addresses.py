"""What an IP address is, whatever form it hides in. Pure: no network, no policy."""

import ipaddress
from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Address = IPv4Address | IPv6Address


class Kind(Enum):
    """How far an address reaches, from harmless to never."""

    PUBLIC = "a public address"
    PRIVATE = "a private address"
    LOOPBACK = "an address of this machine"
    FORBIDDEN = "a link-local, multicast, metadata or reserved address"


_ORDER: Final = list(Kind)
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Google, Azure and most others
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle
    )
)
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
_TRANSLATED: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::ffff:0:0/96",  # IPv4-mapped, RFC 4291
        "::/96",  # IPv4-compatible, RFC 4291
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
    )
)
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_LOW_32: Final = 0xFFFF_FFFF


def kind_of(address: Address) -> Kind:
    """The worst of what the address and every IPv4 address inside it are."""
    if isinstance(address, IPv4Address):
        return _plain_kind(address)
    if address in (IPv6Address("::"), IPv6Address("::1")):
        return _plain_kind(address)
    inner = [_plain_kind(one) for one in embedded(address)]
    # Python 3.11.2 calls 6to4 private and 3.11.7 public; the address inside decides.
    nothing_itself = any(address in network for network in (*_TRANSLATED, _SIX_TO_FOUR))
    outer = [] if nothing_itself else [_plain_kind(address)]
    return max((*inner, *outer), key=_ORDER.index)


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses to which packets for this IPv6 address may go."""
    number = int(address)
    if any(address in network for network in _TRANSLATED):
        yield IPv4Address(number & _LOW_32)
    elif address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & _LOW_32)
    elif address in _TEREDO:
        yield IPv4Address(number >> 64 & _LOW_32)
        yield IPv4Address(~number & _LOW_32)
    if number >> 32 & _LOW_32 in _ISATAP:
        yield IPv4Address(number & _LOW_32)


def _plain_kind(address: Address) -> Kind:
    if address.is_loopback:
        return Kind.LOOPBACK
    if address in _METADATA or address in _THIS_NETWORK or address.is_unspecified:
        return Kind.FORBIDDEN
    if address.is_multicast or address.is_link_local or address.is_reserved:
        return Kind.FORBIDDEN
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return Kind.PRIVATE if site_local or not address.is_global else Kind.PUBLIC

"""Login throttle: failed attempts make the next one wait, longer each time, never for good.

Three counters are kept for an attempt, so that neither a guesser nor a victim is treated wrongly: the
account from this address (strict), the address (many accounts from one place), and the account from
anywhere (guessing from many places). An address that has logged in to the account before is spared the
last one: strangers can't keep an owner out.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Scope = Literal["pair", "address", "account"]
TRUST_FOR = timedelta(days=30)
"""How long an address is known to an account after its last login there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`free` failures cost nothing; each further one doubles the wait, up to `longest`.

    A counter without a failure for `forget_after` starts again from zero.
    """

    free: int
    longest: timedelta
    forget_after: timedelta


RULES: Mapping[Scope, Rule] = {
    "pair": Rule(free=5, longest=timedelta(minutes=5), forget_after=timedelta(hours=24)),
    "address": Rule(free=30, longest=timedelta(minutes=5), forget_after=timedelta(hours=1)),
    "account": Rule(free=50, longest=timedelta(minutes=1), forget_after=timedelta(hours=1)),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """Failures since the last success; what is stored for one key."""

    failures: int = 0
    last_failure: datetime | None = None
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to log in, and from where. The names are given ones: they need not exist."""

    account: str
    address: str

    def keys(self) -> dict[Scope, str]:
        """One opaque key for each counter: what people type into a login form is not stored."""
        network = _network(self.address)
        return {
            "pair": _opaque("pair", self.account, network),
            "address": _opaque("address", network),
            "account": _opaque("account", self.account),
        }


def wait_of(scope: Scope, counter: Counter, now: datetime) -> timedelta:
    """How long the next attempt has to wait because of this counter; zero when it need not."""
    rule = RULES[scope]
    excess = counter.failures - rule.free
    if counter.last_failure is None or excess <= 0 or now - counter.last_failure > rule.forget_after:
        return timedelta()
    delay = min(timedelta(seconds=2 ** min(excess - 1, 20)), rule.longest)
    return max(timedelta(), counter.last_failure + delay - now)


def wait_for(counters: Mapping[Scope, Counter], now: datetime) -> timedelta:
    """How long an attempt has to wait, by all its counters."""
    return max(wait_of(scope, counters[scope], now) for scope in _relevant(counters, now))


def failed(scope: Scope, counter: Counter, now: datetime) -> Counter:
    """The counter after one more failure."""
    since = now - (counter.last_failure or now)
    failures = 0 if since > RULES[scope].forget_after else counter.failures
    return Counter(failures + 1, now, counter.last_success)


def succeeded(scope: Scope, counter: Counter, now: datetime) -> Counter:
    """The counter after a success. That of the address stays: one's own login must not clear it."""
    return counter if scope == "address" else Counter(0, None, now)


def _relevant(counters: Mapping[Scope, Counter], now: datetime) -> Iterable[Scope]:
    trusted_since = counters["pair"].last_success
    if trusted_since is not None and now - trusted_since <= TRUST_FOR:
        return ("pair",)
    return tuple(counters)


def _network(address: str) -> str:
    """The address itself, or its /64 for IPv6: one household or server has that many addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _opaque(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

from datetime import UTC, datetime, timedelta

import pytest

from services.system.sessions import throttle
from services.system.sessions.throttle import (
    RULES,
    Attempt,
    Counter,
    Scope,
    failed,
    succeeded,
    wait_for,
    wait_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING: dict[Scope, Counter] = {"pair": Counter(), "address": Counter(), "account": Counter()}


def after(scope: Scope, failures: int) -> Counter:
    counter = Counter()
    for _ in range(failures):
        counter = failed(scope, counter, NOW)
    return counter


def test_the_first_failures_cost_nothing_and_then_each_doubles_the_wait() -> None:
    waits = [wait_of("pair", after("pair", n), NOW).total_seconds() for n in range(10)]
    assert waits == [0, 0, 0, 0, 0, 0, 1, 2, 4, 8]


@pytest.mark.parametrize("scope", RULES)
def test_no_number_of_failures_locks_anybody_out_for_good(scope: Scope) -> None:
    counter = Counter(10_000, NOW)
    assert wait_of(scope, counter, NOW) == RULES[scope].longest
    assert wait_of(scope, counter, NOW + RULES[scope].longest) == timedelta()


def test_a_counter_forgets_after_a_quiet_time() -> None:
    quiet = NOW + RULES["pair"].forget_after + timedelta(seconds=1)
    assert failed("pair", Counter(100, NOW), quiet).failures == 1
    assert failed("pair", Counter(100, NOW), NOW).failures == 101


def test_a_success_clears_the_account_but_not_the_address() -> None:
    assert succeeded("pair", Counter(9, NOW), NOW) == Counter(0, None, NOW)
    assert succeeded("account", Counter(9, NOW), NOW).failures == 0
    assert succeeded("address", Counter(9, NOW), NOW).failures == 9


def test_an_attempt_waits_for_the_longest_of_its_counters() -> None:
    counters = NOTHING | {"address": after("address", 34), "pair": after("pair", 6)}
    assert wait_for(counters, NOW) == timedelta(seconds=8)


def test_strangers_cannot_keep_out_an_address_that_has_logged_in_before() -> None:
    guessed = NOTHING | {"account": Counter(10_000, NOW)}
    assert wait_for(guessed, NOW) > timedelta()
    known = guessed | {"pair": Counter(0, None, NOW - timedelta(days=1))}
    assert wait_for(known, NOW) == timedelta()
    forgotten = guessed | {"pair": Counter(0, None, NOW - throttle.TRUST_FOR - timedelta(days=1))}
    assert wait_for(forgotten, NOW) > timedelta()


def test_a_known_address_still_waits_after_its_own_failures() -> None:
    counters = NOTHING | {"pair": Counter(8, NOW, NOW - timedelta(days=1))}
    assert wait_for(counters, NOW) > timedelta()


def test_the_keys_show_neither_account_nor_address() -> None:
    keys = Attempt("acme/ann", "192.0.2.7").keys()
    assert len(set(keys.values())) == 3
    assert not any("ann" in key or "192" in key for key in keys.values())


def test_accounts_and_addresses_do_not_share_counters() -> None:
    one, two = Attempt("acme/ann", "192.0.2.7").keys(), Attempt("acme/bob", "192.0.2.7").keys()
    assert one["address"] == two["address"]
    assert one["pair"] != two["pair"]
    assert one["account"] != two["account"]


def test_one_ipv6_network_is_one_address_and_a_mapped_one_is_its_ipv4() -> None:
    same = Attempt("a", "2001:db8::1").keys()
    assert Attempt("a", "2001:db8::2:3").keys() == same
    assert Attempt("a", "2001:db8:0:1::1").keys() != same
    assert Attempt("a", "::ffff:192.0.2.7").keys() == Attempt("a", "192.0.2.7").keys()
    assert Attempt("a", "not an address").keys()["address"]

from datetime import UTC, datetime, timedelta

import pytest

from services.system.sessions import families
from services.system.sessions.families import DECISIONS, GRACE, Decision, Facts, State, state_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Facts(NOW + timedelta(days=1), used_at=None, successor_used=False, family_ended=False)


def used(ago: timedelta, *, successor_used: bool = False) -> Facts:
    return Facts(FRESH.expires_at, NOW - ago, successor_used, family_ended=False)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (FRESH, State.CURRENT),
        (Facts(NOW, None, successor_used=False, family_ended=False), State.EXPIRED),
        (used(timedelta(0)), State.REPEATED),
        (used(GRACE), State.REPEATED),
        (used(GRACE + timedelta(milliseconds=1)), State.REPLAYED),
        (used(timedelta(0), successor_used=True), State.REPLAYED),
        (Facts(FRESH.expires_at, None, successor_used=False, family_ended=True), State.ENDED),
        (Facts(FRESH.expires_at, NOW, successor_used=False, family_ended=True), State.ENDED),
        (Facts(NOW - GRACE, NOW - GRACE * 3, successor_used=False, family_ended=False), State.REPLAYED),
    ],
)
def test_the_state_of_a_presented_token(facts: Facts, state: State) -> None:
    assert state_of(facts, NOW) is state


def test_every_state_has_its_decision_and_only_a_replay_ends_the_family() -> None:
    assert set(DECISIONS) == set(State)
    assert [state for state, decision in DECISIONS.items() if decision is Decision.END_FAMILY] == [
        State.REPLAYED
    ]


def test_grace_is_at_most_ten_seconds() -> None:
    assert timedelta(seconds=10) >= GRACE


def test_the_successor_is_the_same_for_the_same_salt_and_another_for_another() -> None:
    token, salt = families.new_token(), families.new_salt()
    assert families.successor(token, salt) == families.successor(token, salt)
    assert families.successor(token, salt) != families.successor(token, families.new_salt())
    assert families.successor(token, salt) != families.successor(families.new_token(), salt)


def test_tokens_carry_256_bits_and_their_fingerprint_does_not_show_them() -> None:
    token = families.new_token()
    assert len(token) == 43
    assert token not in families.fingerprint(token)
    assert len({families.new_token() for _ in range(100)}) == 100

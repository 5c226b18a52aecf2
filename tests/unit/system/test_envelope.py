from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.system.secrets import envelope
from services.system.secrets.envelope import DataKey, Place
from services.system.secrets.errors import SecretUnreadable

KEY = DataKey(UUID(int=7), bytes(32))
PLACE = Place(UUID(int=1), UUID(int=2), "password")


@given(st.text(max_size=300))
def test_what_was_sealed_for_a_place_opens_there(secret: str) -> None:
    assert envelope.unseal(KEY, envelope.seal(KEY, secret, PLACE), PLACE) == secret


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, tenant_id=UUID(int=9)),
        replace(PLACE, resource_id=UUID(int=9)),
        replace(PLACE, field="token"),
    ],
)
def test_a_sealed_text_that_was_moved_does_not_open(elsewhere: Place) -> None:
    with pytest.raises(SecretUnreadable):
        envelope.unseal(KEY, envelope.seal(KEY, "secret", PLACE), elsewhere)


def test_another_key_under_the_same_id_does_not_open_it() -> None:
    with pytest.raises(SecretUnreadable):
        envelope.unseal(DataKey(KEY.id, bytes([1]) * 32), envelope.seal(KEY, "secret", PLACE), PLACE)


def test_the_text_names_its_format_and_its_key() -> None:
    sealed = envelope.seal(KEY, "secret", PLACE)
    assert sealed.startswith(f"v1.{KEY.id.hex}.")
    assert envelope.data_key_id(sealed) == KEY.id


def test_two_sealings_of_one_secret_differ() -> None:
    assert envelope.seal(KEY, "secret", PLACE) != envelope.seal(KEY, "secret", PLACE)


@given(st.integers(min_value=0, max_value=200), st.sampled_from("Aa0_.-é"))
def test_an_altered_text_never_opens_as_something_else(position: int, character: str) -> None:
    sealed = envelope.seal(KEY, "secret", PLACE)
    index = position % len(sealed)
    altered = sealed[:index] + character + sealed[index + 1 :]
    try:
        opened = envelope.unseal(KEY, altered, PLACE)
    except SecretUnreadable:
        return
    assert opened == "secret"  # base64 has spellings that mean the same bytes


@pytest.mark.parametrize(
    "text", ["", "v1", "v1.", "v2.00.x.y", "v1.zz.x.y", f"v1.{UUID(int=7).hex}", "v1.é.x"]
)
def test_what_is_no_sealed_text_is_unreadable(text: str) -> None:
    with pytest.raises(SecretUnreadable):
        envelope.unseal(KEY, text, PLACE)


def test_a_data_key_shows_nothing_when_it_is_printed() -> None:
    assert "key=" not in repr(envelope.new_data_key(UUID(int=1)))

import base64

import pytest

from services.system.secrets import keyring
from services.system.secrets.errors import MasterKeysUnusable, SecretUnreadable

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


def test_a_generated_ring_can_be_read_and_wraps_with_its_key() -> None:
    ring = keyring.parse(keyring.generate())
    wrapped = ring.wrap(b"data key", bound_to="somewhere")
    assert ring.unwrap(wrapped, key_id=ring.active, bound_to="somewhere") == b"data key"


def test_the_first_key_of_a_ring_is_the_active_one() -> None:
    assert keyring.parse(f"new:{KEY}\nold:{OTHER}").active == "new"
    assert keyring.parse(f"new:{KEY},old:{OTHER}").active == "new"


def test_an_older_key_of_the_ring_still_opens_what_it_wrapped() -> None:
    wrapped = keyring.parse(f"old:{OTHER}").wrap(b"data key", bound_to="x")
    ring = keyring.parse(f"new:{KEY},old:{OTHER}")
    assert ring.unwrap(wrapped, key_id="old", bound_to="x") == b"data key"


def test_a_wrapped_key_does_not_open_for_another_binding_or_key() -> None:
    ring = keyring.parse(f"one:{KEY},two:{KEY}")
    wrapped = ring.wrap(b"data key", bound_to="tenant one")
    for key_id, bound_to in (("one", "tenant two"), ("two", "tenant one"), ("none", "tenant one")):
        with pytest.raises(SecretUnreadable):
            ring.unwrap(wrapped, key_id=key_id, bound_to=bound_to)


def test_a_check_value_recognises_its_key_and_no_other() -> None:
    value = keyring.parse(f"one:{KEY}").check_value("one")
    assert keyring.parse(f"one:{KEY}").recognises("one", value)
    assert not keyring.parse(f"one:{OTHER}").recognises("one", value)
    assert not keyring.parse(f"two:{KEY}").recognises("one", value)


@pytest.mark.parametrize(
    "text",
    ["", "\n ,", "nocolon", f":{KEY}", f"bad id:{KEY}", "one:!!!", "one:c2hvcnQ=", f"one:{KEY},one:{OTHER}"],
)
def test_a_ring_that_cannot_be_read_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(MasterKeysUnusable) as refused:
        keyring.parse(text)
    assert KEY not in str(refused.value)


def test_a_ring_shows_no_key_when_it_is_printed() -> None:
    assert KEY[:8] not in repr(keyring.parse(f"one:{KEY}"))
    assert "keys" not in repr(keyring.parse(f"one:{KEY}"))

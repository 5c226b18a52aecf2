"""Keys, their documents, and how other services come by them."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from shared.errors import Unavailable
from shared.http.remote import ServiceUnreachable
from shared.security.jwks import JwksSource, KeysUnknown
from shared.security.keys import LocalKeys, SigningKey, VerifyingKey, keys_of
from shared.security.tokens import TokenInvalid, TokenVerifier
from tests.unit.shared.security.conftest import Office, Time


def test_a_key_id_is_the_thumbprint_of_rfc_8037_appendix_a() -> None:
    x = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    public = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(x))
    assert VerifyingKey.of(public).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_survives_its_file() -> None:
    key = SigningKey.generate()
    assert SigningKey.from_pem(key.to_pem()).kid == key.kid


def test_a_jwks_document_holds_no_private_member_and_can_be_read_back() -> None:
    first, second = SigningKey.generate(), SigningKey.generate()
    document = LocalKeys(first, second.verifying).jwks()
    assert [sorted(entry) for entry in document["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]] * 2
    assert set(keys_of(document)) == {first.kid, second.kid}


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "EC"},
        {"kty": "oct", "k": "AAAA"},
        {"crv": "X25519"},
        {"alg": "HS256"},
        {"use": "enc"},
        {"x": "AA"},
        {"x": 5},
        {"x": "A" * 42 + "="},
        {"kid": "mine"},
        {"kid": None},
        {"d": "AAAA"},
        {"x": "!" * 43},
    ],
)
def test_a_key_that_is_not_quite_right_is_passed_over(changes: dict[str, Any]) -> None:
    good, bad = SigningKey.generate().verifying.jwk(), SigningKey.generate().verifying.jwk() | changes
    assert set(keys_of({"keys": [bad, good, "text", None]})) == {good["kid"]}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, "text", {"keys": None}])
def test_what_is_no_jwks_document_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="JWKS"):
        keys_of(document)


class System:
    """A client of System that answers what it is told to."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = keys
        self.calls = 0
        self.down = False

    async def call(self, method: str, path: str, *, returns: Any) -> Any:
        self.calls += 1
        assert (method, path) == ("GET", "/.well-known/jwks.json")
        if self.down:
            raise ServiceUnreachable(what="System")
        return LocalKeys(*self.keys).jwks()


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestJwksSource:
    async def test_keys_are_fetched_once(self) -> None:
        office = Office()
        system = System(office.key)
        verifier = TokenVerifier(JwksSource(system), clock=office.time)
        for _ in range(3):
            await verifier.verify(office.token())
        assert system.calls == 1

    async def test_a_new_key_is_found_by_its_first_token(self) -> None:
        old, new, seconds = Office(), Office(), Seconds()
        system = System(old.key)
        verifier = TokenVerifier(JwksSource(system, monotonic=seconds), clock=Time())
        await verifier.verify(old.token())
        system.keys = (old.key, new.key)
        seconds.now += 3
        await verifier.verify(new.token())
        await verifier.verify(old.token())
        assert system.calls == 2

    async def test_unknown_ids_ask_at_most_every_two_seconds(self) -> None:
        office, seconds = Office(), Seconds()
        system = System(office.key)
        verifier = TokenVerifier(JwksSource(system, monotonic=seconds), clock=office.time)
        for _ in range(50):
            with pytest.raises(TokenInvalid):
                await verifier.verify(Office().token())
        assert system.calls == 1
        seconds.now += 2
        with pytest.raises(TokenInvalid):
            await verifier.verify(Office().token())
        assert system.calls == 2

    async def test_a_key_that_was_withdrawn_ends_its_tokens_at_the_next_refresh(self) -> None:
        old, new, seconds = Office(), Office(), Seconds()
        system = System(old.key, new.key)
        verifier = TokenVerifier(JwksSource(system, monotonic=seconds), clock=Time())
        token = old.token()
        await verifier.verify(token)
        system.keys = (new.key,)
        seconds.now += 300
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)
        await verifier.verify(new.token())

    async def test_known_keys_stay_good_while_system_is_down(self) -> None:
        office, seconds = Office(), Seconds()
        system = System(office.key)
        verifier = TokenVerifier(JwksSource(system, monotonic=seconds), clock=office.time)
        await verifier.verify(office.token())
        system.down = True
        seconds.now += 10_000
        await verifier.verify(office.token())
        await verifier.verify(office.token())
        assert system.calls == 2

    async def test_without_any_keys_it_is_trouble_of_ours_and_not_a_bad_token(self) -> None:
        office, seconds = Office(), Seconds()
        system = System(office.key)
        system.down = True
        source = JwksSource(system, monotonic=seconds)
        with pytest.raises(KeysUnknown) as caught:
            await TokenVerifier(source, clock=office.time).verify(office.token())
        assert isinstance(caught.value, Unavailable)
        with pytest.raises(KeysUnknown):
            await source.ready()
        system.down = False
        seconds.now += 2
        await source.ready()

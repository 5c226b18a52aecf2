"""Which tokens are taken, and which are not."""

import base64
import hashlib
import hmac
import string
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from shared.security.keys import SigningKey
from shared.security.tokens import issue
from tests.unit.shared.security.conftest import Office, refused, segment


async def test_a_token_names_its_caller(office: Office) -> None:
    grant = office.grant()
    issued = issue(grant, key=office.key, now=office.time.now)
    principal = await office.verifier.verify(issued.token)
    assert principal.subject == grant.subject
    assert principal.kind == "user"
    assert principal.tenant is not None
    assert principal.tenant.tenant_id == grant.tenant
    assert principal.scopes == {"run:read", "task:read"}
    assert principal.roles == ("owner",)
    assert principal.session_id == "s-1"
    assert principal.expires_at == issued.expires_at == office.time.now + timedelta(seconds=issued.lifetime)


async def test_a_service_is_told_from_a_person(office: Office) -> None:
    principal = await office.verifier.verify(office.token(kind="service", roles=(), tenant=None))
    assert (principal.kind, principal.tenant) == ("service", None)
    with pytest.raises(ValueError, match="only services"):
        office.token(kind="user", roles=("service",))


def test_a_token_does_not_live_longer_than_ten_minutes(office: Office) -> None:
    with pytest.raises(ValueError, match="ten minutes"):
        issue(office.grant(), key=office.key, lifetime=timedelta(minutes=11))


async def test_handmade_tokens_are_taken_when_they_are_right(office: Office) -> None:
    """Else the tests below would prove nothing."""
    await office.verifier.verify(office.signed(office.header(), office.claims()))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"iss": ...},
        {"aud": "other"},
        {"aud": ["penstock"]},
        {"aud": ...},
        {"sub": "admin"},
        {"sub": 1},
        {"sub": ...},
        {"tenant": "x"},
        {"tenant": 5},
        {"exp": "9999999999"},
        {"exp": 9e9},
        {"exp": ...},
        {"exp": True},
        {"exp": 10**30},
        {"exp": None},
        {"iat": "1"},
        {"iat": ...},
        {"iat": 0},
        {"iat": -(10**30)},
        {"jti": ...},
        {"sid": ...},
        {"sid": 1},
        {"ver": "0"},
        {"scope": ["run:read"]},
        {"roles": "owner"},
        {"admin": True},
        {"nbf": 0},
    ],
    ids=str,
)
async def test_claims_are_read_strictly(office: Office, changes: dict[str, Any]) -> None:
    assert await refused(office, office.signed(office.header(), office.claims(**changes)))


async def test_a_life_over_ten_minutes_is_refused_even_when_signed(office: Office) -> None:
    now = int(office.time.now.timestamp())
    assert await refused(office, office.signed(office.header(), office.claims(exp=now + 601)))


async def test_a_token_from_the_future_is_refused_beyond_a_small_skew(office: Office) -> None:
    now = int(office.time.now.timestamp())
    soon, later = (office.claims(iat=now + add, exp=now + add + 60) for add in (20, 40))
    assert not await refused(office, office.signed(office.header(), soon))
    assert await refused(office, office.signed(office.header(), later))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": "nOnE"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "Ed25519"},
        {"alg": ["EdDSA"]},
        {"alg": ...},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": "at+JWT"},
        {"typ": ...},
        {"typ": "application/at+jwt"},
        {"kid": "../../dev/null"},
        {"kid": "' UNION SELECT"},
        {"kid": 1},
        {"kid": ["x"]},
        {"kid": ...},
        {"kid": "x" * 10_000},
        {"kid": "A" * 43},
        {"kid": None},
        {"jku": "http://127.0.0.1/jwks"},
        {"jwk": {"kty": "OKP"}},
        {"x5u": "http://x"},
        {"x5c": []},
        {"x5t": "x"},
        {"crit": []},
        {"zip": "DEF"},
        {"b64": False},
        {"enc": "A256GCM"},
        {"cty": "JWT"},
    ],
    ids=str,
)
async def test_the_header_has_our_three_members_and_no_other(office: Office, changes: dict[str, Any]) -> None:
    assert await refused(office, office.signed(office.header(**changes), office.claims()))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "A" * 86])
async def test_an_unsigned_token_is_refused(office: Office, alg: str, signature: str) -> None:
    header = segment(office.header(alg=alg))
    assert await refused(office, f"{header}.{segment(office.claims())}.{signature}")


def _raw(key: SigningKey) -> bytes:
    return key.verifying.public.public_bytes_raw()


def _pem(key: SigningKey) -> bytes:
    return key.verifying.public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _der(key: SigningKey) -> bytes:
    return key.verifying.public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _jwk(key: SigningKey) -> bytes:
    return str(key.verifying.jwk()).encode()


@pytest.mark.parametrize("secret", [_raw, _pem, _der, _jwk, lambda _: b""])
@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
async def test_the_public_key_is_no_secret_to_sign_with(
    office: Office, secret: Callable[[SigningKey], bytes], alg: str
) -> None:
    text = f"{segment(office.header(alg=alg))}.{segment(office.claims())}"
    digest = hmac.new(secret(office.key), text.encode(), hashlib.sha256).digest()
    assert await refused(office, f"{text}.{segment(digest)}")
    assert await refused(office, f"{text}.{segment(digest + digest)}")


async def test_another_key_is_refused_with_and_without_its_own_id(office: Office) -> None:
    other = Office(time=office.time)
    assert await refused(office, other.token())
    assert await refused(office, other.signed(office.header(), office.claims()))


async def test_a_name_that_comes_twice_is_refused(office: Office) -> None:
    claims = segment(office.claims())
    twice = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).replace(b"{", b'{"sub": "x", ', 1)
    assert await refused(office, office.signed(office.header(), twice))
    header = b'{"alg": "none", "alg": "EdDSA", "typ": "at+jwt", "kid": "' + office.key.kid.encode() + b'"}'
    assert await refused(office, office.signed(header, office.claims()))


@pytest.mark.parametrize(
    "garbage",
    [b"[]", b"null", b"{", b"\xff", b"[" * 3_000, b'"text"', b"{}", b'{"exp": ' + b"9" * 4_000 + b"}"],
)
async def test_what_is_no_object_is_refused(office: Office, garbage: bytes) -> None:
    assert await refused(office, office.signed(garbage, office.claims()))
    assert await refused(office, office.signed(office.header(), garbage))


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token[:-1],
        lambda token: token + ".x",
        lambda token: token.replace(".", "..", 1),
        lambda token: token.upper(),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: "",
        lambda token: "é" + token[1:],
        lambda token: "\ud800" + token,
        lambda token: token + "A" * 9_000,
        lambda token: token.replace("-", "+"),
    ],
)
async def test_only_one_spelling_of_a_token_is_taken(office: Office, change: Callable[[str], str]) -> None:
    token = next(one for one in iter(office.token, "") if "-" in one)
    assert change(token) != token
    await office.verifier.verify(token)
    assert await refused(office, change(token))


async def test_bits_that_nobody_reads_are_no_second_spelling(office: Office) -> None:
    token = office.token()
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet.index(token[-1])
    assert last % 16 == 0  # 86 characters hold 516 bits, a signature has 512
    for stray in range(1, 16):
        assert await refused(office, token[:-1] + alphabet[last + stray])


@given(data=st.data())
async def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    office = Office()
    token = office.token()
    await office.verifier.verify(token)
    index = data.draw(st.integers(0, len(token) - 1))
    alphabet = string.ascii_letters + string.digits + "-_.="
    character = data.draw(st.sampled_from(alphabet).filter(lambda one: one != token[index]))
    assert await refused(office, token[:index] + character + token[index + 1 :])


@given(st.text(max_size=300))
async def test_no_text_breaks_the_verifier(text: str) -> None:
    assert await refused(Office(), text)

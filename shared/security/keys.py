"""Signing keys (Ed25519) and where verifiers find the public ones."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

ALGORITHM: Final = "EdDSA"
_X_LENGTH: Final = 43
"""32 bytes as base64url without padding."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and its id: the RFC 7638 thumbprint, so that an id names one key for ever."""

    kid: str
    public: ed25519.Ed25519PublicKey

    @classmethod
    def of(cls, public: ed25519.Ed25519PublicKey) -> "VerifyingKey":
        return cls(thumbprint(public), public)

    def jwk(self) -> dict[str, str]:
        """The key for a JWKS document (RFC 8037)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _x(self.public),
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        }


class SigningKey:
    """A private key that signs access tokens. Only System has one."""

    def __init__(self, private: ed25519.Ed25519PrivateKey) -> None:
        self.private = private
        self.verifying = VerifyingKey.of(private.public_key())
        self.kid = self.verifying.kid

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: str) -> "SigningKey":
        """The key of an unencrypted PKCS #8 file. ValueError when it holds anything but Ed25519."""
        private = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            raise ValueError("the signing key is not an Ed25519 key")  # noqa: TRY004 - its content is wrong
        return cls(private)

    def to_pem(self) -> str:
        """The private key as PKCS #8, unencrypted: for a file that only we can read."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


class KeySource(Protocol):
    """Where a verifier finds public keys."""

    def current(self, kid: str) -> VerifyingKey | None:
        """The key as it is known right now; None when it is not, or no longer."""

    async def find(self, kid: str) -> VerifyingKey | None:
        """The key, looked up at its origin when it is not known yet."""


class LocalKeys:
    """The public keys of System itself: the one that signs, and those that signed before."""

    def __init__(self, *keys: SigningKey | VerifyingKey) -> None:
        self._keys = {key.kid: key.verifying if isinstance(key, SigningKey) else key for key in keys}

    def current(self, kid: str) -> VerifyingKey | None:
        return self._keys.get(kid)

    async def find(self, kid: str) -> VerifyingKey | None:
        return self._keys.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The JWKS document of these keys (RFC 7517)."""
        return jwks(self._keys.values())


def jwks(keys: Iterable[VerifyingKey]) -> dict[str, Any]:
    """A JWKS document: public members only."""
    return {"keys": [key.jwk() for key in keys]}


def keys_of(document: Any) -> dict[str, VerifyingKey]:
    """The usable keys of a JWKS document, by id.

    Strict: only Ed25519 signature keys whose id is their thumbprint count, all else is passed over.
    ValueError when it is no JWKS document at all.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS document")  # noqa: TRY004 - its content is wrong
    found = (_key_of(entry) for entry in document["keys"][:100])
    return {key.kid: key for key in found if key is not None}


def _key_of(entry: Any) -> VerifyingKey | None:
    expected = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM}
    if not isinstance(entry, Mapping) or any(entry.get(name) != value for name, value in expected.items()):
        return None
    x = entry.get("x")
    if not isinstance(x, str) or len(x) != _X_LENGTH or "d" in entry:
        return None
    try:
        raw = base64.b64decode(x + "=", altchars=b"-_", validate=True)
        key = VerifyingKey.of(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    except ValueError:
        return None
    return key if key.kid == entry.get("kid") else None


def thumbprint(public: ed25519.Ed25519PublicKey) -> str:
    """The RFC 7638 SHA-256 thumbprint of a key, as 43 characters."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _x(public)}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(text.encode()).digest())


def _x(public: ed25519.Ed25519PublicKey) -> str:
    return _base64url(public.public_bytes_raw())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

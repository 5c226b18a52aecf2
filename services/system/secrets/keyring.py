"""Master keys: a ring of key-encrypting keys, the first of which is the active one.

A ring is text, one `id:key` in a line (or separated by commas), the key being 32 bytes in base64. Keys
that are no longer active stay in the ring for as long as something is wrapped by them.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import MasterKeysUnusable, SecretUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_CHECK_TEXT = b"penstock key check"


@dataclass(frozen=True)
class KeyRing:
    """Key-encrypting keys by their id; `active` wraps what is new."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __contains__(self, key_id: str) -> bool:
        return key_id in self.keys

    def wrap(self, data_key: bytes, *, bound_to: str) -> str:
        """Encrypt a data key under the active key; `bound_to` is authenticated, not stored."""
        return encrypt(self.keys[self.active], data_key, bound_to=f"{bound_to}|{self.active}")

    def unwrap(self, wrapped: str, *, key_id: str, bound_to: str) -> bytes:
        """The data key; raises SecretUnreadable for an unknown key or altered text."""
        key = self.keys.get(key_id)
        if key is None:
            raise SecretUnreadable
        return decrypt(key, wrapped, bound_to=f"{bound_to}|{key_id}")

    def check_value(self, key_id: str) -> str:
        """What is stored to recognise the key later without keeping the key."""
        return encrypt(self.keys[key_id], _CHECK_TEXT, bound_to=f"check|{key_id}")

    def recognises(self, key_id: str, check_value: str) -> bool:
        """Whether this ring's key of that id is the one the check value was made with."""
        key = self.keys.get(key_id)
        if key is None:
            return False
        try:
            return decrypt(key, check_value, bound_to=f"check|{key_id}") == _CHECK_TEXT
        except SecretUnreadable:
            return False


def parse(text: str) -> KeyRing:
    """A ring from its text; raises MasterKeysUnusable, whose sentence holds no key material."""
    entries = [entry.strip() for entry in re.split(r"[\n,]", text) if entry.strip()]
    if not entries:
        raise MasterKeysUnusable(reason="there is no key")
    keys: dict[str, bytes] = {}
    for place, entry in enumerate(entries, start=1):
        key_id, _, encoded = entry.partition(":")
        if not _KEY_ID.fullmatch(key_id):
            raise MasterKeysUnusable(reason=f"entry {place} has no usable id")
        if key_id in keys:
            raise MasterKeysUnusable(reason=f"the id of entry {place} is there twice")
        keys[key_id] = _key(encoded, place)
    return KeyRing(active=next(iter(keys)), keys=keys)


def _key(encoded: str, place: int) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MasterKeysUnusable(reason=f"entry {place} is not base64") from None
    if len(key) != KEY_BYTES:
        raise MasterKeysUnusable(reason=f"entry {place} has {len(key)} bytes")
    return key


def generate() -> str:
    """The text of a new ring with one random key."""
    return f"k{os.urandom(4).hex()}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def encrypt(key: bytes, plain: bytes, *, bound_to: str) -> str:
    """`nonce.ciphertext` in unpadded base64url, by AES-256-GCM with a random nonce (NIST SP 800-38D)."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain, bound_to.encode())
    return f"{_text(nonce)}.{_text(sealed)}"


def decrypt(key: bytes, sealed: str, *, bound_to: str) -> bytes:
    """The plain bytes; raises SecretUnreadable when key, binding or text are not those of `encrypt`."""
    try:
        nonce, ciphertext = (_bytes(part) for part in sealed.split("."))
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to.encode())
    except (InvalidTag, ValueError):
        raise SecretUnreadable from None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

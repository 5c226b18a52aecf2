"""Passwords, keys, and the forms of them that a server keeps in place of the password."""

import base64
import hashlib
import hmac
import os
import secrets
from typing import Final

SCRAM_ITERATIONS: Final = 4096
ED25519_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
"""What precedes the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7)."""


def password() -> str:
    """256 bits that need no quoting in a URL, in SQL or in JSON."""
    return secrets.token_urlsafe(32)


def password_for_people() -> str:
    """As above, short enough to be typed once: 120 bits."""
    return secrets.token_urlsafe(15)


def master_keys() -> str:
    """A ring of one master key, as System reads it: `id:key`, the key being 32 bytes in base64."""
    return f"k{os.urandom(4).hex()}:{_base64(os.urandom(32))}"


def signing_key() -> str:
    """A new Ed25519 key in PKCS #8 PEM: the key itself is nothing but 32 random bytes (RFC 8032, 5.1.5)."""
    encoded = _base64(ED25519_PKCS8 + os.urandom(32))
    return f"-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----"


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for a password: it can check one with it, but nobody can log in with it.

    RFC 5803 in PostgreSQL's spelling (pg_authid.rolpassword).
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server = _mac(salted, b"Server Key")
    parts = _base64(salt), _base64(stored), _base64(server)
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ITERATIONS, *parts)


def rabbitmq_hash(password: str) -> str:
    """What RabbitMQ stores for a password (rabbit_password_hashing_sha256)."""
    salt = os.urandom(4)
    return _base64(salt + hashlib.sha256(salt + password.encode()).digest())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

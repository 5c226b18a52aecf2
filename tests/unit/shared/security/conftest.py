"""Tokens that are made by hand."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.identifiers import uuid7
from shared.security.revocations import Revocations
from shared.security.tokens import Grant, LocalKeys, SigningKey, TokenInvalid, TokenVerifier, issue


def segment(value: Any) -> str:
    """A part of a JWT."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Time:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass
class Office:
    """An issuer of tokens, good and bad, and a verifier."""

    time: Time = field(default_factory=Time)
    key: SigningKey = field(default_factory=SigningKey.generate)
    remembered: int = 4_096

    def __post_init__(self) -> None:
        self.revocations = Revocations(clock=self.time)
        self.keys = LocalKeys(self.key)
        self.verifier = TokenVerifier(
            self.keys, revocations=self.revocations, clock=self.time, remembered=self.remembered
        )

    def grant(self, **changes: Any) -> Grant:
        given: dict[str, Any] = {
            "subject": uuid7(),
            "kind": "user",
            "client_id": "console",
            "tenant": uuid7(),
            "scopes": ("run:read", "task:read"),
            "roles": ("owner",),
            "session_id": "s-1",
        }
        return Grant(**(given | changes))

    def token(self, **changes: Any) -> str:
        return issue(self.grant(**changes), key=self.key, now=self.time.now).token

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.time.now.timestamp())
        claims = {
            "iss": "penstock",
            "aud": "penstock",
            "sub": str(uuid7()),
            "client_id": "console",
            "tenant": str(uuid7()),
            "scope": "run:read",
            "roles": ["owner"],
            "sid": "s-1",
            "ver": 0,
            "iat": now,
            "exp": now + 600,
            "jti": "j",
        }
        return {name: value for name, value in (claims | changes).items() if value is not ...}

    def header(self, **changes: Any) -> dict[str, Any]:
        header = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid} | changes
        return {name: value for name, value in header.items() if value is not ...}

    def signed(self, header: Any, claims: Any) -> str:
        """A token with a true signature over whatever is in it."""
        text = f"{segment(header)}.{segment(claims)}"
        return f"{text}.{segment(self.key.private.sign(text.encode()))}"


async def refused(office: Office, token: str) -> bool:
    try:
        await office.verifier.verify(token)
    except TokenInvalid:
        return True
    return False


@pytest.fixture
def office() -> Office:
    return Office()

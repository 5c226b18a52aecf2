"""Refresh tokens: one family for each login, each token used once (RFC 9700, section 4.14).

What a presented token is worth is decided here, from facts. A token that was used already is either a
lost answer (its successor is unused and the first use is at most `GRACE` ago: the same successor is given
again) or a theft (the whole family ends).

The successor is derived from its predecessor and a salt that is stored at the first use. So the same
successor can be given again although only hashes are stored: the salt alone opens nothing.
"""

import base64
import enum
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

GRACE = timedelta(seconds=10)
_SECRET_BYTES = 32


class State(enum.Enum):
    """What a presented refresh token is."""

    CURRENT = "the newest token of its family"
    REPEATED = "used a moment ago, its successor not yet"
    REPLAYED = "used before"
    EXPIRED = "past its time"
    ENDED = "of a family that has ended"


class Decision(enum.Enum):
    """What to do with a presented refresh token."""

    ROTATE = "give a new successor"
    REPEAT = "give the same successor again"
    END_FAMILY = "end the family: two parties hold its tokens"
    REFUSE = "refuse, change nothing"


DECISIONS: Mapping[State, Decision] = {
    State.CURRENT: Decision.ROTATE,
    State.REPEATED: Decision.REPEAT,
    State.REPLAYED: Decision.END_FAMILY,
    State.EXPIRED: Decision.REFUSE,
    State.ENDED: Decision.REFUSE,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is stored about a token and its family."""

    expires_at: datetime
    used_at: datetime | None
    successor_used: bool
    family_ended: bool


def state_of(token: Facts, now: datetime) -> State:
    """The state of a presented token at that time."""
    if token.family_ended:
        return State.ENDED
    if token.used_at is not None:
        repeated = not token.successor_used and now - token.used_at <= GRACE
        return State.REPEATED if repeated else State.REPLAYED
    return State.EXPIRED if now >= token.expires_at else State.CURRENT


def new_token() -> str:
    """The first token of a family: 256 random bits."""
    return _text(os.urandom(_SECRET_BYTES))


def new_salt() -> bytes:
    return os.urandom(_SECRET_BYTES)


def successor(token: str, salt: bytes) -> str:
    """The token that follows; it can't be derived without both the token and the salt."""
    return _text(hmac.digest(salt, token.encode(), hashlib.sha256))


def fingerprint(token: str) -> str:
    """What is stored of a token or of another secret with at least 128 random bits: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

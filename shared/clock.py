"""The time, as a collaborator: whoever decides by time takes a `Clock`."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The current time in UTC, with its zone."""
    return datetime.now(UTC)

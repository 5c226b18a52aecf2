"""What goes wrong on the way into somebody's database: facts without secrets, SQL or addresses."""

from typing import Any, Final, Literal

from shared.errors import Invalid, Loc, PenstockError, Terminal, Transient

Step = Literal["file", "resolve", "connect", "tls", "authenticate", "database", "privileges"]
STEPS: Final[tuple[Step, ...]] = (
    "file",
    "resolve",
    "connect",
    "tls",
    "authenticate",
    "database",
    "privileges",
)
"""The steps into a database in their order; `file` is SQLite's only one before `database`."""

MAX_IDENTIFIER_BYTES: Final = 63
"""PostgreSQL's NAMEDATALEN - 1 (manual, section 4.1.1): longer names are cut silently."""


class ConnectFailed(PenstockError):
    """The connection failed at step {step}: {reason}. {hint}"""  # noqa: D400 - the hint brings the full stop

    def __init__(self, *, step: Step, reason: str, hint: str = "", **facts: Any) -> None:
        super().__init__(step=step, reason=reason, hint=hint, **facts)
        self.step: Step = step
        self.reason = reason
        self.hint = hint

    @classmethod
    def code(cls) -> str:
        """One code for both kinds: whether trying again can help is not a client's business."""
        return "connect_failed"

    def sentence(self) -> str:
        """The sentence, without a trailing blank where there is no hint."""
        return super().sentence().rstrip()


class ConnectFailedForNow(ConnectFailed, Transient):
    """The connection failed at step {step}: {reason}. {hint}"""  # noqa: D400 - as above


class ConnectRefused(ConnectFailed, Terminal):
    """The connection failed at step {step}: {reason}. {hint}"""  # noqa: D400 - as above


class IdentifierInvalid(Invalid):
    """A name for a database object {reason}."""


def checked_identifier(name: str, loc: Loc, *, max_bytes: int | None) -> str:
    """The name itself, if a database can hold it under exactly this spelling.

    Raises `IdentifierInvalid` at `loc` for an empty name, one with a NUL or one that is too long.
    """
    if not name:
        raise IdentifierInvalid(loc=loc, reason="must not be empty")
    if "\x00" in name:
        raise IdentifierInvalid(loc=loc, reason="must not contain a NUL character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise IdentifierInvalid(loc=loc, reason="must be valid Unicode") from None
    if max_bytes is not None and size > max_bytes:
        raise IdentifierInvalid(loc=loc, reason=f"must have at most {max_bytes} bytes, not {size}")
    return name

"""The way to a database server, whatever it speaks: checked addresses, TLS, and what the network says."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused, Step
from shared.errors import PenstockError
from shared.security import guard

TlsMode = Literal["disable", "prefer", "require", "verify-full"]


@dataclass(frozen=True, slots=True)
class Known:
    """A failure that has a name: its step, the reason in words, advice, and whether it may pass."""

    step: Step
    reason: str
    hint: str = ""
    transient: bool = False

    def failure(self) -> ConnectFailed:
        """The error to raise."""
        kind = ConnectFailedForNow if self.transient else ConnectRefused
        return kind(step=self.step, reason=self.reason, hint=self.hint)


NO_TLS: Final = Known("tls", "the server speaks no TLS", "Use tls 'prefer' or 'disable'.")


async def resolve(host: str, port: int, policy: guard.OutboundPolicy) -> list[str]:
    """The addresses of the host that the policy lets us connect to. Raises `ConnectFailed`."""
    try:
        return await guard.checked_address(host, port, policy)
    except PenstockError as error:
        raise ConnectRefused(step="resolve", reason=str(error).rstrip(".")) from error
    except OSError:
        raise ConnectFailedForNow(
            step="resolve", reason="the host has no address", hint="Check the spelling of the host."
        ) from None


def drop(transport: Any) -> None:
    """Close a connection at once: nothing that waits is sent, and no polite end of TLS is waited for.

    Takes one that is closed already, which the TLS transports of early CPython 3.11 do not.
    """
    with suppress(AttributeError):
        transport.abort()


def tls_context(host: str, mode: TlsMode) -> ssl.SSLContext | None:
    """The TLS settings for the mode, or None for none; checks the *name* though we dial an address."""
    if mode == "disable":
        return None
    context = _PinnedName(ssl.PROTOCOL_TLS_CLIENT)
    context.pinned = host
    if mode == "verify-full":
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def no_answer(seconds: float) -> ConnectFailedForNow:
    """Nothing came back in time."""
    return ConnectFailedForNow(
        step="connect",
        reason=f"the server didn't answer within {seconds:g} seconds",
        hint="Check the host, the port and firewalls between here and there.",
    )


def encryption(error: ssl.SSLError) -> Known:
    """What went wrong with TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Known(
            "tls",
            "the server's certificate isn't trusted or isn't for this host",
            "Install the authority's certificate, or use another tls mode.",
        )
    return Known("tls", "the server and Penstock agreed on no encryption")


def unreachable(error: OSError) -> Known:
    """What the network says about a server that can't be reached."""
    if isinstance(error, ConnectionRefusedError):
        return Known("connect", "nothing listens on that port", "Check host and port.", transient=True)
    return Known("connect", "the host can't be reached", "Check host, port and network.", transient=True)


def is_cut(error: BaseException) -> bool:
    """Whether somebody ended a connection that was there."""
    refused = isinstance(error, ConnectionRefusedError)
    return isinstance(error, ConnectionError | EOFError) and not refused


class _PinnedName(ssl.SSLContext):
    """A driver dials the checked address; the certificate must be for the host that was configured."""

    pinned: str

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*arguments, **{**options, "server_hostname": self.pinned})

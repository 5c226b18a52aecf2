"""What goes wrong with RabbitMQ, in words: no address with a password, no text of a library."""

import socket
import ssl
from collections.abc import Iterator
from typing import Final

from aio_pika import exceptions
from aiormq.exceptions import ChannelAccessRefused, ConnectionInternalError, ConnectionNotAllowed

from shared.bus.port import BusError


class BrokerUnreachable(BusError):
    """The message broker can't be reached: {reason}."""


class TopologyRefused(BusError):
    """The message broker refused to declare the queues and exchanges: {reason}."""


BLOCKED: Final = "the broker is short of memory or disk and takes no messages now"

_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "its name has no address"),
    (ssl.SSLError, "TLS failed"),
    (ConnectionRefusedError, "nobody takes connections at its address"),
    (exceptions.ProbableAuthenticationError, "it refuses our user or password"),
    (exceptions.AuthenticationError, "it refuses our user or password"),
    (ConnectionNotAllowed, "it has no such virtual host, or not for our user"),
    (exceptions.InvalidFrameError, "it ended the greeting: it may have no such virtual host for our user"),
    (exceptions.IncompatibleProtocolError, "it doesn't speak AMQP 0-9-1 (or not yet)"),
    (ConnectionInternalError, "the broker has an internal error: a queue may be without a leader"),
    (exceptions.ConnectionClosed, "the broker closed the connection"),
    (exceptions.ChannelNotFoundEntity, "there is no such queue or exchange"),
    (exceptions.ChannelPreconditionFailed, "it exists with other properties, or was held too long"),
    (ChannelAccessRefused, "our user isn't allowed to do that"),
    (TimeoutError, "there was no answer in time"),
)


def is_sick(error: BaseException) -> bool:
    """Whether this is what a queue answers that is there and doesn't work."""
    return isinstance(error, TimeoutError | ConnectionInternalError)


def reason_of(error: BaseException | None) -> str:
    """Why the broker didn't do what it was asked, for people who operate it."""
    for one in _chain(error):
        for kind, reason in _REASONS:
            if isinstance(one, kind):
                return reason
    if isinstance(error, BrokerUnreachable):
        return str(error.facts.get("reason"))
    return "the connection was lost"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Causes first: a driver wraps what it got from the network."""
    if error is not None:
        yield from _chain(error.__cause__)
        yield error

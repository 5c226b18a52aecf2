"""The errors of MySQL and MariaDB by their numbers (both manuals, "Server Error Message Reference")."""

from collections.abc import Mapping
from typing import Final

from shared.engines.network import Known

CANT_CONNECT: Final = 2003
"""The driver's number for what the network said; its cause is that."""

NO_ANSWER: Final = 1159
"""A timeout while reading: servers say it, and our driver."""
TOO_MUCH: Final = 2020
"""The client's number for an answer that is larger than it takes."""

_SHUT_OUT: Final = Known(
    "authenticate", "the server refused the user or the password", "Check both, and from where it may log in."
)
_FULL: Final = Known("connect", "the server has no free connection", "Try again later.", transient=True)
CLOSED: Final = Known(
    "connect", "the server closed the connection", "Is this a port of MySQL or MariaDB?", transient=True
)
FOREIGN: Final = Known("connect", "the server doesn't speak MySQL's protocol", "Check host and port.")
BY_NUMBER: Final[Mapping[int, Known]] = {
    1040: _FULL,
    1203: _FULL,
    1226: _FULL,
    1044: Known("database", "the user may not enter the database", "Grant it a privilege on it."),
    1045: _SHUT_OUT,
    1698: _SHUT_OUT,
    1049: Known("database", "there is no such database", "Check the name of the database."),
    1129: Known(
        "connect", "the server blocks this host after too many failures", "Run FLUSH HOSTS on the server."
    ),
    1130: Known("authenticate", "the server doesn't let anybody in from here", "Grant the user this host."),
    1227: Known("privileges", "the user lacks a privilege for it"),
    1820: Known("authenticate", "the user has to change its password", "Set a new password."),
    1862: Known("authenticate", "the password has expired", "Set a new password."),
    2059: Known("authenticate", "the server asks for a kind of login that Penstock doesn't have"),
    NO_ANSWER: Known("connect", "the server gave no answer in time", "Try again later.", transient=True),
    TOO_MUCH: Known("database", "the server sent more than is read of one answer"),
    3118: Known("authenticate", "the account is locked"),
    3159: Known("tls", "the server takes encrypted connections only", "Use tls 'require'."),
    4151: Known("authenticate", "the account is locked"),
}
ENDED: Final = frozenset({1053, 1152, 1160, 1161, 1184, 1927, 2006, 2013, 2055, 3169, 4031})
"""Shut down, killed, cut, timed out, idle for too long (numbers of both servers and of the client)."""
LOST: Final = ENDED | {CANT_CONNECT, NO_ANSWER, TOO_MUCH}
"""After these nothing can be said on the connection any more."""

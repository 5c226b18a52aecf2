"""A private name server that knows a few names: containers move to another address, and so can ours."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HEADER = struct.Struct("!6H")
QUERY_BYTES = 512
ANSWERED = 0x8580
"""Response, authoritative, recursion desired and available (RFC 1035, section 4.1.1)."""
ADDRESS_RECORD, INTERNET = 1, 1
NAME_OF_THE_QUESTION = 0xC00C


@dataclass(frozen=True)
class Names:
    """Names and their IPv4 addresses; `address` is where the server answers, as `host:port`."""

    address: str
    known: dict[str, str] = field(default_factory=dict)

    def point(self, name: str, address: str) -> None:
        """From now on the name has this address."""
        self.known[name] = address

    def answer(self, query: bytes) -> bytes:
        """The answer to one query of one name; for unknown names and other records there is none in it."""
        identifier = HEADER.unpack_from(query)[0]
        name, end = _name(query)
        (kind,) = struct.unpack_from("!H", query, end)
        found = self.known.get(name) if kind == ADDRESS_RECORD else None
        header = HEADER.pack(identifier, ANSWERED, 1, 0 if found is None else 1, 0, 0)
        record = b"" if found is None else _record(found)
        return header + query[HEADER.size : end + 4] + record


@contextmanager
def running() -> Iterator[Names]:
    """A name server on loopback until the end of the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        names = Names(f"127.0.0.1:{sock.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(sock, names), daemon=True)
        thread.start()
        try:
            yield names
        finally:
            sock.sendto(b"", sock.getsockname())  # an empty datagram ends the thread
            thread.join(5)


def _serve(sock: socket.socket, names: Names) -> None:
    while True:
        query, client = sock.recvfrom(QUERY_BYTES)
        if not query:
            return
        sock.sendto(names.answer(query), client)


def _name(query: bytes) -> tuple[str, int]:
    """The name in the question, and the place behind it."""
    labels: list[str] = []
    place = HEADER.size
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode())
        place += 1 + length
    return ".".join(labels).lower(), place + 1


def _record(address: str) -> bytes:
    """One address, valid for no time at all."""
    return struct.pack("!3HIH", NAME_OF_THE_QUESTION, ADDRESS_RECORD, INTERNET, 0, 4) + socket.inet_aton(
        address
    )

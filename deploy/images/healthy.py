"""Ask the process of this container whether it is ready; the exit code is the answer.

Run every few seconds in each container, so it is a socket and not a library: it takes 20 ms.
"""

import os
import socket

SECONDS = 4.0


def ready(port: int) -> bool:
    """Whether the process on this port of loopback answers 200 to /health/ready."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        first_line = connection.makefile("rb").readline().split()
    return first_line[1:2] == [b"200"]


def main() -> int:
    try:
        return 0 if ready(int(os.environ["PENSTOCK_PORT"])) else 1
    except OSError:
        return 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Messages on the pipe between runner and child: four bytes of length, then JSON."""

import asyncio
import os
import threading
from typing import Any, Final

import orjson

MAX_FRAME: Final = 16 << 20
_LENGTH: Final = 4


class FrameTooLarge(Exception):
    """A message on the pipe is larger than any that is sent on purpose."""


def pack(message: Any) -> bytes:
    """The bytes of one message."""
    content = orjson.dumps(message)
    if len(content) > MAX_FRAME:
        raise FrameTooLarge
    return len(content).to_bytes(_LENGTH, "big") + content


async def receive(stream: asyncio.StreamReader) -> Any | None:
    """The next message, or None at the end of the pipe, also where that cuts a message."""
    try:
        length = int.from_bytes(await stream.readexactly(_LENGTH), "big")
        if length > MAX_FRAME:
            raise FrameTooLarge
        return orjson.loads(await stream.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class BlockingPipe:
    """The child's ends of the pipe: blocking, for use from threads."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()

    def receive(self) -> Any | None:
        """The next message, or None when the other side is gone."""
        length = self._exactly(_LENGTH)
        content = self._exactly(int.from_bytes(length, "big")) if length else None
        return orjson.loads(content) if content else None

    def send(self, message: Any) -> None:
        """Send a message; waits while the pipe is full."""
        content = memoryview(pack(message))
        with self._lock:
            while content:
                content = content[os.write(self._writing, content) :]

    def _exactly(self, size: int) -> bytes | None:
        content = b""
        while len(content) < size:
            more = os.read(self._reading, size - len(content))
            if not more:
                return None
            content += more
        return content

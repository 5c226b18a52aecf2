"""The bytes of a file as the CSV parser takes them: UTF-8, no mark, and a tail that proves the end."""

import codecs
import hashlib
import secrets
from pathlib import Path
from typing import BinaryIO, Final

from services.etl.pipeline.errors import EncodingInvalid

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8


class Utf8Bytes:
    """A readable stream of a file in UTF-8, whatever its encoding was.

    UTF-8 itself passes unchecked: its cells are checked one by one, so that a bad byte costs one row. Other
    encodings are decoded as a stream, where a bad byte makes the rest unknowable: EncodingInvalid.
    With a `tail` the file is followed by one record more. The parser gives it back as a record of its own
    only when no quote is open at the end of the file.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8", digest: bool = False) -> None:
        self._file: BinaryIO = path.open("rb")
        self._encoding = encoding
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self._digest = hashlib.sha256() if digest else None
        self._pending = b""
        self._started = False
        self._ended = False
        self._last = b"\n"
        self.tail = b""
        self.bytes_read = 0
        self.has_nul = False
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes more; empty at the end."""
        wanted = 1 << 20 if size < 0 else size
        while not self._pending and not self._ended:
            self._pending = self._next(wanted)
        taken, self._pending = self._pending[:wanted], self._pending[wanted:]
        return taken

    def hexdigest(self) -> str | None:
        """The SHA-256 of what was read, when it was asked for."""
        return self._digest.hexdigest() if self._digest else None

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()

    def _next(self, size: int) -> bytes:
        raw = self._file.read(size)
        self._ended = len(raw) < size
        content = self._decoded(raw)
        self.bytes_read += len(raw)
        if self._digest is not None:
            self._digest.update(raw)
        if not self._started and content:
            self._started = True
            content = content.removeprefix(BYTE_ORDER_MARK)
        if content:
            self._last = content[-1:]
            self.has_nul = self.has_nul or b"\x00" in content
        if self._ended:
            content += (b"" if self._last in b"\r\n" else b"\n") + self.tail if self.tail else b""
        return content

    def _decoded(self, raw: bytes) -> bytes:
        if self._decoder is None:
            return raw
        try:
            return self._decoder.decode(raw, final=self._ended).encode()
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            raise EncodingInvalid(encoding=self._encoding, offset=self.bytes_read + start) from None


def tail_record(fields: int, delimiter: str) -> tuple[bytes, bytes]:
    """A record that no file holds, with this many fields, and the value of its fields."""
    token = f"end{secrets.token_hex(16)}".encode()
    return delimiter.encode().join([token] * fields) + b"\n", token

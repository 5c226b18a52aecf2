"""The bytes of a text file as parsers take them: UTF-8, no mark, from the first line that counts."""

import codecs
import re
from typing import Final, Literal

from services.etl.loaders._files_bytes import FileBytes
from services.etl.pipeline.errors import EncodingInvalid, SourceInvalid

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_MAX_SKIPPED: Final = 16 << 20


class Utf8Bytes:
    """A readable stream of a file in UTF-8, whatever its encoding was.

    UTF-8 itself passes unchecked: its values are checked one by one, so that a bad byte costs one row. Other
    encodings are decoded as a stream, where a bad byte makes the rest unknowable: EncodingInvalid. With
    `errors` as "replace" every byte that doesn't fit becomes U+FFFD. `skip` lines at the beginning are left
    out. A `tail` is put after the end, on a line of its own: a parser gives it back as a record of its own
    only when no quote is open there. `given` counts the bytes that were taken.
    """

    def __init__(
        self,
        content: FileBytes,
        *,
        encoding: str = "utf-8",
        errors: Literal["strict", "replace"] = "strict",
        skip: int = 0,
    ) -> None:
        self._content = content
        self._encoding = encoding
        plain = encoding == "utf-8" and errors == "strict"
        self._decoder = None if plain else codecs.getincrementaldecoder(encoding)(errors)
        self._skip = skip
        self._skipped = b""
        self._pending = b""
        self._decoded_from = 0
        self._started = False
        self._ended = False
        self._last = b"\n"
        self.tail = b""
        self.has_nul = False
        self.given = 0
        self.closed = False

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that were read so far."""
        return self._content.bytes_read

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes more; empty at the end."""
        wanted = 1 << 20 if size < 0 else size
        while not self._pending and not self._ended:
            self._pending = self._next(wanted)
        taken, self._pending = self._pending[:wanted], self._pending[wanted:]
        self.given += len(taken)
        return taken

    def check_whole(self) -> None:
        """At the end: raises SourceChanged unless the file is the known one."""
        self._content.check_whole()

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._content.close()

    def _next(self, size: int) -> bytes:
        raw = self._content.read(size)
        self._ended = len(raw) < size
        content = self._decoded(raw)
        if not self._started and content:
            self._started = True
            content = content.removeprefix(BYTE_ORDER_MARK)
        if self._skip:
            content = self._after_skipped(content)
        if content:
            self._last = content[-1:]
            self.has_nul = self.has_nul or b"\x00" in content
        if self._ended:
            content += (b"" if self._last in b"\r\n" else b"\n") + self.tail if self.tail else b""
        return content

    def _decoded(self, raw: bytes) -> bytes:
        before = self._decoded_from
        self._decoded_from += len(raw)
        if self._decoder is None:
            return raw
        try:
            return self._decoder.decode(raw, final=self._ended).encode()
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            raise EncodingInvalid(encoding=self._encoding, offset=before + start) from None

    def _after_skipped(self, content: bytes) -> bytes:
        """What follows the lines to leave out; nothing until they are there."""
        self._skipped += content
        if len(self._skipped) > _MAX_SKIPPED:
            raise SourceInvalid(reason=f"the lines to skip have more than {_MAX_SKIPPED >> 20} MiB")
        found = zip(range(self._skip), _LINE_END.finditer(self._skipped), strict=False)
        ends = [match.end() for _, match in found]
        if len(ends) < self._skip or (ends[-1] == len(self._skipped) and not self._ended):
            return b""
        self._skip = 0
        return self._skipped[ends[-1] :]

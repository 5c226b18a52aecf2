"""The bytes of a CSV file as the parser takes them, with a tail that proves the end."""

import re
import secrets
from typing import Final

from services.etl.loaders._base import SourceFile
from services.etl.loaders._csv_numbering import RaggedRow
from services.etl.loaders._files_bytes import FileBytes
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.loaders.csv import Csv


def opened(loader: Csv, file: SourceFile) -> Utf8Bytes:
    """The file's text from its first line that counts."""
    params = loader.params
    return Utf8Bytes(
        FileBytes(file, params.compression),
        encoding=params.encoding,
        errors="replace" if params.errors == "replace" else "strict",
        skip=params.skip_rows,
    )


def tail_record(fields: int, delimiter: str) -> tuple[bytes, bytes]:
    """A record that no file holds, with this many fields, and the value of its fields."""
    token = f"end{secrets.token_hex(16)}".encode()
    return delimiter.encode().join([token] * fields) + b"\n", token


COMMENT: Final = "comment"
QUOTE_OPEN: Final = "quote_open"


class SingleLines:
    """A stream of lines of which each is a record: comments and open quotes are kept from the parser.

    The parser gets a record in their place that has too many fields, so that its numbering stays right, and
    gives it back as one that it left out: `restored` tells what stood there. Comments before the last of the
    `heading` records are left out altogether; those would begin on line `line` if they came behind them.
    Without `fields`, the number that a record has, quotes are not looked at.
    """

    def __init__(self, content: Utf8Bytes, loader: Csv, *, heading: int, fields: int | None = None) -> None:
        params = loader.params
        self._content = content
        self._comment = (params.comment or "").encode()
        self._quoting = [sign.encode() for sign in (params.quote, params.escape) if sign]
        checked = params.quote is not None and fields is not None
        self._whole = _record(params.delimiter, params.quote or "", params.escape) if checked else None
        self._delimiter = params.delimiter.encode()
        self._fields = fields
        self._token = f"out{secrets.token_hex(16)}"
        self._left_out: dict[int, tuple[str, bytes]] = {}
        self._count = 0
        self._rest = b""
        self._pending = b""
        self._heading = heading
        self._ended = False
        self.line = params.skip_rows + 1
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes more; empty at the end."""
        wanted = 1 << 20 if size < 0 else size
        while not self._pending and not self._ended:
            self._pending = self._next(wanted)
        taken, self._pending = self._pending[:wanted], self._pending[wanted:]
        return taken

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._content.close()

    def restored(self, row: RaggedRow) -> tuple[str, RaggedRow] | None:
        """Why a record that the parser left out was kept from it, and what it was; None if it wasn't."""
        if not row.text.startswith(self._token):
            return None
        number = int(row.text.removeprefix(self._token).partition(self._delimiter.decode())[0])
        why, line = self._left_out.pop(number)
        return why, RaggedRow(row.row, 1, line.decode(errors="replace"))

    def _next(self, size: int) -> bytes:
        more = self._content.read(size)
        self._ended = not more
        lines = (self._rest + more).splitlines(keepends=True)
        self._rest = b"" if self._ended or not lines else lines.pop()
        if self._rest.endswith(b"\n"):  # a carriage return may still be half of a line end
            lines, self._rest = [*lines, self._rest], b""
        return b"".join([self._line(line) for line in lines])

    def _line(self, line: bytes) -> bytes:
        if self._comment and line.startswith(self._comment):
            if self._heading <= 0:
                return self._in_place(COMMENT, line)
            self.line += 1
            return b""
        self._heading -= 1
        return self._in_place(QUOTE_OPEN, line) if self._is_open(line) else line

    def _is_open(self, line: bytes) -> bool:
        if self._whole is None or not any(sign in line for sign in self._quoting):
            return False
        return self._whole.fullmatch(line.rstrip(b"\r\n")) is None

    def _in_place(self, why: str, line: bytes) -> bytes:
        number = self._count = self._count + 1
        self._left_out[number] = (why, line.rstrip(b"\r\n"))
        field = f"{self._token}{number}".encode()
        return field + self._delimiter * ((self._fields or 0) + 1) + b"\n"


def _record(delimiter: str, quote: str, escape: str | None) -> re.Pattern[bytes]:
    """A line on which no quote is open at the end, as the parser sees quotes: only where a value begins."""
    stop, sign = re.escape(delimiter), re.escape(quote)
    escaped = f"{re.escape(escape)}.|" if escape else ""
    inside = f"[^{sign}{re.escape(escape or '')}]"
    outside = f"[^{stop}{re.escape(escape or '')}]"
    plain = f"(?:{escaped}{outside})*+"
    quoted = f"{sign}(?:{escaped}{inside}++|{sign}{sign})*+{sign}(?!{sign}){plain}"
    field = f"(?:{quoted}|(?!{sign}){plain})"
    return re.compile(f"{field}(?:{stop}{field})*+".encode(), re.DOTALL)

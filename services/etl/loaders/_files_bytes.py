"""The content of a file as a stream: unpacked where it is packed, counted, within limits."""

import hashlib
from collections.abc import Mapping
from io import BufferedReader
from typing import Any, Final, Literal

import pyarrow as pa

from services.etl.loaders._base import SourceFile
from services.etl.loaders._files import Compression
from services.etl.loaders._files_errors import CompressionBomb, CompressionInvalid
from services.etl.pipeline.errors import SourceChanged

MAX_RATIO: Final = 250
"""How many times its size a file may unpack to; text of a table comes to 5 to 30 times."""

FREE_BYTES: Final = 64 << 20
"""Unpacked bytes that any file may have, whatever the ratio."""

MAX_BYTES: Final = 1 << 40
"""Unpacked bytes that no file may pass."""

Codec = Literal["gzip", "zstd", "bz2"]
_MAGIC: Final[Mapping[Codec, tuple[bytes, int, bytes]]] = {
    "gzip": (b"\x1f\x8b\x08", 3, b""),
    "zstd": (b"\x28\xb5\x2f\xfd", 4, b""),
    "bz2": (b"BZh", 4, b"1AY&SY"),
}
"""First bytes, and what stands after how many of them: a text may begin with BZh (RFC 1952, RFC 8878)."""


_HEAD: Final = 16


def codec_of(head: bytes) -> Codec | None:
    """How a file with these first bytes is packed."""
    for codec, (magic, after, then) in _MAGIC.items():
        if head.startswith(magic) and head[after:].startswith(then):
            return codec
    return None


def _codec(compression: Compression, head: bytes) -> Codec | None:
    if compression == "auto":
        return codec_of(head)
    return None if compression == "none" else compression


class _Counted:
    """A file on this machine, read forward only; counts and digests what is taken from it."""

    def __init__(self, file: SourceFile) -> None:
        self._file: BufferedReader = file.path.open("rb")
        self._digest = hashlib.sha256() if file.sha256 is not None else None
        self.taken = 0
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.taken += len(content)
        if self._digest is not None:
            self._digest.update(content)
        return content

    def head(self) -> bytes:
        return self._file.peek(_HEAD)[:_HEAD]

    def hexdigest(self) -> str | None:
        return self._digest.hexdigest() if self._digest else None

    def close(self) -> None:
        self.closed = True
        self._file.close()


class FileBytes:
    """The unpacked bytes of a file, as a stream.

    Raises SourceChanged where the file isn't the one that is known, CompressionInvalid or CompressionBomb
    where it can't be unpacked.
    """

    def __init__(self, file: SourceFile, compression: Compression) -> None:
        found = file.path.stat().st_size
        if found != file.size:
            raise SourceChanged(reason=f"the file has {found} bytes and not {file.size}")
        self._known = file
        self._raw = _Counted(file)
        self._codec = _codec(compression, self._raw.head())
        self._stream: Any = self._raw
        if self._codec is not None:
            self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), self._codec)
        self._given = 0

    @property
    def bytes_read(self) -> int:
        """Bytes that were taken from the file itself."""
        return self._raw.taken

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes more, fewer only at the end."""
        if self._codec is None:
            return self._raw.read(size)
        try:
            content: bytes = self._stream.read(size)
        except OSError:
            raise CompressionInvalid(codec=self._codec) from None
        self._given += len(content)
        self._check_size()
        return content

    def check_whole(self) -> None:
        """At the end: raises SourceChanged unless exactly the known bytes were read."""
        if self._raw.taken != self._known.size:
            raise SourceChanged(reason=f"{self._raw.taken} of its {self._known.size} bytes could be read")
        if self._known.sha256 is not None and self._raw.hexdigest() != self._known.sha256:
            raise SourceChanged(reason="its content has another SHA-256")

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _check_size(self) -> None:
        if self._given > MAX_BYTES:
            raise CompressionBomb(limit=f"{MAX_BYTES >> 30} GiB")
        if self._given > FREE_BYTES and self._given > MAX_RATIO * self._raw.taken:
            raise CompressionBomb(limit=f"{MAX_RATIO} times its size")


def check_content(file: SourceFile) -> None:
    """Raises SourceChanged unless a file is the known one that isn't read from its beginning to its end."""
    found = file.path.stat().st_size
    if found != file.size:
        raise SourceChanged(reason=f"the file has {found} bytes and not {file.size}")
    if file.sha256 is None:
        return
    with file.path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        raise SourceChanged(reason="its content has another SHA-256")

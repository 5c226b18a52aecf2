"""Objects of a bucket as files: found by a pattern of their keys, fetched when their turn comes."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from services.etl.loaders import _bucket_patterns as patterns
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files_errors import BucketMissing, ObjectsTooMany, ObjectTooLarge
from services.etl.loaders._files_places import Place
from services.etl.loaders._loop_thread import LoopThread
from services.etl.pipeline.errors import JobCancelled, SourceBusy, SourceChanged, SourceInvalid
from shared.contracts.connection import S3Connection
from shared.engines.s3 import Bucket, ObjectChanged, ObjectMissing, Stored
from shared.http.outbound import Outbound

MAX_OBJECTS: Final = 100_000
BEGINNING: Final = 32 << 20
"""What a preview fetches of an object that is read from its beginning, in bytes."""

WHOLE: Final = 256 << 20
"""The largest object, in bytes, that a preview fetches as a whole, where its parts alone say nothing."""


class BucketPlace(Place):
    """The objects whose keys fit a pattern, in the order of their keys; only the current one is here."""

    def __init__(self, source: Source, pattern: str, *, streamed: bool) -> None:
        self._source = source
        self._pattern = pattern
        self._streamed = streamed
        self._stored: dict[Path, Stored] = {}
        self._loop: LoopThread | None = None
        self._outbound: Outbound | None = None
        self._folder = TemporaryDirectory(prefix="bucket-", dir=source.scratch, ignore_cleanup_errors=True)
        self._left = False

    def found(self) -> Sequence[SourceFile]:
        """As listed now. Raises SourceInvalid, ConnectFailed, and JobCancelled after `close`."""
        bucket, loop = self._begun()
        folder = Path(self._folder.name)
        objects = sorted(loop.call(self._listed(bucket)), key=lambda stored: stored.key.encode())
        if len({stored.key for stored in objects}) < len(objects):
            raise SourceInvalid(reason="the store lists an object twice")
        files = []
        for at, stored in enumerate(objects):
            file = SourceFile(folder / f"object-{at}", stored.size, name=stored.key)
            self._stored[file.path] = stored
            files.append(file)
        return files

    @contextmanager
    def there(self, file: SourceFile) -> Iterator[SourceFile]:
        """The object as a file. Raises SourceChanged, SourceBusy, ConnectFailed, JobCancelled."""
        size = file.size
        if self._source.beginning and self._streamed:
            size = min(size, BEGINNING)
        elif self._source.beginning and size > WHOLE:
            raise ObjectTooLarge(key=file.name, limit=WHOLE >> 20)
        try:
            self._fetch(file, size)
            yield replace(file, size=size)
        finally:
            file.path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the session and what runs in it. May be called again, and from another thread."""
        self._left = True
        if self._loop is not None:
            self._loop.close(last=self._ended)
        self._folder.cleanup()

    def _begun(self) -> tuple[Bucket, LoopThread]:
        connection = self._source.connection
        if connection is None or not isinstance(connection.connection, S3Connection):
            raise BucketMissing
        if self._loop is None or self._outbound is None:
            self._loop, outbound = LoopThread(), Outbound(self._source.policy)
            if self._left:
                self._loop.close()
                raise JobCancelled
            self._loop.call(outbound.open())
            self._outbound = outbound
        return Bucket(connection.connection, self._outbound), self._loop

    async def _ended(self) -> None:
        if self._outbound is not None:
            await self._outbound.close()

    async def _listed(self, bucket: Bucket) -> list[Stored]:
        if patterns.is_exact(self._pattern):
            head = await bucket.head(self._pattern)
            return [] if head is None else [Stored(self._pattern, head.size, head.etag)]
        fits, objects = patterns.fitting(self._pattern), list[Stored]()
        async for stored in bucket.listed(patterns.prefix_of(self._pattern)):
            if stored.key.endswith("/") or not fits(stored.key):  # what ends so stands for a folder
                continue
            if "\x00" in stored.key:
                raise SourceInvalid(reason="the key of an object has a NUL character")
            objects.append(stored)
            if len(objects) > MAX_OBJECTS:
                raise ObjectsTooMany(pattern=self._pattern, limit=MAX_OBJECTS)
        return objects

    def _fetch(self, file: SourceFile, size: int) -> None:
        bucket, loop = self._begun()
        full = SourceBusy(reason=f"there is no room for the {size} bytes of the object {file.name!r}")
        if shutil.disk_usage(file.path.parent).free < size:
            raise full
        try:
            loop.call(bucket.download(self._stored[file.path], file.path, most=size))
        except (ObjectChanged, ObjectMissing):
            raise SourceChanged(
                reason=f"the object {file.name!r} was written or deleted after the run had begun"
            ) from None
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise full from None
            raise

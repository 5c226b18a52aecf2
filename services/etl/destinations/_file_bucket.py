"""An object of a bucket as the record of a run: what its metadata say of the run that has written it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.etl.pipeline.errors import FenceOutdated, TargetBusy, TargetRefused
from services.etl.pipeline.job import Counts, Job, JobFileTarget, WrittenFile
from shared.contracts.connection import S3Connection
from shared.engines.s3 import Bucket, Head, ObjectChanged
from shared.http.outbound import Outbound
from shared.security.guard import OutboundPolicy

_RUN: Final = "penstock-run"
_FENCE: Final = "penstock-fence"
_COUNTS: Final = "penstock-counts"
_SHA256: Final = "penstock-sha256"
_NUMBER: Final = re.compile("[0-9]{1,18}")
_MOST: Final = 1500
"""Characters of the counts: all metadata of an object have 2 KB (Amazon S3 User Guide, "Object metadata")."""

_TYPES: Final = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "json_lines": "application/x-ndjson",
}
_PACKED: Final = {"gzip": "application/gzip", "zstd": "application/zstd"}


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run has left in the bucket."""

    counts: Counts
    file: WrittenFile


class BucketSession:
    """One attempt's requests for one key. What they raise is ConnectFailed where nothing else is said."""

    def __init__(self, job: Job, policy: OutboundPolicy) -> None:
        assert isinstance(job.target, JobFileTarget)
        assert job.target.connection is not None
        assert isinstance(job.target.connection.connection, S3Connection)
        self._job = job
        self._target = job.target
        self._outbound = Outbound(policy)
        self._bucket = Bucket(job.target.connection.connection, self._outbound)
        self._before: str | None = None

    async def open(self) -> None:
        """Begin."""
        await self._outbound.open()

    async def close(self) -> None:
        """End."""
        await self._outbound.close()

    async def applied(self) -> Applied | None:
        """What the run has written, if it has."""
        head = await self._bucket.head(self._target.name)
        return self._applied(head) if head is not None else None

    async def prepare(self) -> Applied | None:
        """As `applied`; from here on nobody else may change the object.

        Raises FenceOutdated where a newer run has written it, and TargetRefused where there must be none.
        """
        head = await self._bucket.head(self._target.name)
        if head is None:
            return None
        if (applied := self._applied(head)) is not None:
            return applied
        if _fence(head.metadata) > self._job.fence:
            raise FenceOutdated
        if self._target.overwrite == "new":
            raise TargetRefused(reason=f"there is an object {self._target.name!r} already")
        self._before = head.etag
        return None

    async def commit(self, counts: Counts, file: WrittenFile, path: Path) -> None:
        """Put the file in the place of the object that was there, or of none, in one moment.

        Raises TargetBusy where the object isn't that one any more: another attempt looks at what it is then.
        """
        metadata = {
            _RUN: self._job.run_id.hex,
            _FENCE: str(self._job.fence),
            _COUNTS: _told(counts),
            _SHA256: file.sha256,
        }
        form = self._target.form
        kind = _TYPES[form.format]
        if form.format != "parquet":
            kind = _PACKED.get(form.compression, kind)
        try:
            await self._bucket.upload(
                path,
                self._target.name,
                metadata=metadata,
                content_type=kind,
                if_match=self._before,
                if_none_match=self._before is None,
            )
        except ObjectChanged:
            raise TargetBusy(reason="the object was changed while the new one was written") from None

    def _applied(self, head: Head) -> Applied | None:
        if head.metadata.get(_RUN) != self._job.run_id.hex:
            return None
        try:
            counts = Counts.model_validate_json(head.metadata[_COUNTS])
        except (KeyError, ValidationError):
            raise TargetRefused(reason="the object's metadata were changed by somebody else") from None
        sha256 = head.metadata.get(_SHA256, "")
        return Applied(counts, WrittenFile(name=self._target.name, size=head.size, sha256=sha256))


def _fence(metadata: Mapping[str, str]) -> int:
    """The fence of the run that has written the object; 0 where it was somebody else."""
    text = metadata.get(_FENCE, "")
    return int(text) if _NUMBER.fullmatch(text) else 0


def _told(counts: Counts) -> str:
    """The counts as metadata take them, without those of each step. Raises TargetRefused."""
    plain = counts.model_copy(update={"steps": []}).model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(plain, separators=(",", ":"))
    if len(text) > _MOST:
        raise TargetRefused(reason="how far the source was read is too long to be noted at an object")
    return text

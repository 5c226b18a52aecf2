"""Files as targets."""

from pathlib import Path
from typing import TYPE_CHECKING

from services.etl.columns import Columns
from services.etl.destinations._file_target import FileTarget
from services.etl.destinations._target import Surroundings
from services.etl.files.names import part_of
from services.etl.pipeline.job import Counts, Job, WrittenFile

if TYPE_CHECKING:
    from services.etl.destinations._file_bucket import BucketSession


class StoreFile(FileTarget):
    """A file in the tenant's own store.

    Each attempt writes under an id of its own, which nobody knows before the runner has noted, in one
    transaction, that the run has succeeded and what its file is. So there is nothing to settle here: what an
    attempt leaves behind without that note are bytes for the sweeper.
    """

    name = "store"

    async def prepare(self) -> Counts | None:
        await self.begin(part_of(self._path))
        return None

    async def commit(self, counts: Counts) -> None:
        """Give the file its id; it is the tenant's once the run is noted as succeeded."""
        self.settled(counts)
        output = self.output
        await self.in_thread(lambda: output.move(self._path))
        self._file = WrittenFile(
            name=self.target.name, size=output.size, sha256=output.sha256, file_id=self.target.file_id
        )

    async def settle(self) -> Counts | None:
        return None

    @property
    def is_kept(self) -> bool:
        return self._file is not None

    @property
    def _path(self) -> Path:
        assert self.target.path is not None
        return Path(self.target.path)


class BucketFile(FileTarget):
    """An object of a bucket.

    It is written on this machine first and then put into the bucket in one moment, on the condition that what
    was seen there before is still there. Its metadata name the run and its counts: by them a run that is
    delivered again finds what it has done, and an attempt that was overtaken is refused.
    """

    name = "s3"

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        self._session: BucketSession | None = None

    async def prepare(self) -> Counts | None:
        session = await self._opened_session()
        applied = await session.prepare()
        if applied is not None:
            self._file = applied.file
            return applied.counts
        assert self.surroundings.scratch is not None
        await self.begin(self.surroundings.scratch / "object")
        return None

    async def commit(self, counts: Counts) -> None:
        output, session = self.output, self._session
        assert session is not None
        file = WrittenFile(name=self.target.name, size=output.size, sha256=output.sha256)
        await session.commit(self.settled(counts), file, output.path)
        self._file = file

    async def abandon(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await super().abandon()

    async def settle(self) -> Counts | None:
        try:
            applied = await (await self._opened_session()).applied()
        finally:
            await self.abandon()
        if applied is None:
            return None
        self._file = applied.file
        return applied.counts

    @property
    def is_kept(self) -> bool:
        return False

    async def _opened_session(self) -> "BucketSession":
        from services.etl.destinations._file_bucket import BucketSession

        self._session = session = BucketSession(self.job, self.surroundings.policy)
        await session.open()
        return session

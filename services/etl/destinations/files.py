"""Files as targets."""

from pathlib import Path

from services.etl.destinations._file_target import FileTarget
from services.etl.files.names import part_of
from services.etl.pipeline.job import Counts, WrittenFile


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

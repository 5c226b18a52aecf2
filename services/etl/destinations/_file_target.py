"""What targets that are files have in common: rows go into one file, in a thread of its own."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from services.etl.columns import Columns
from services.etl.destinations._target import Capabilities, Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.job import Counts, Job, JobFileTarget, WrittenFile

if TYPE_CHECKING:
    from services.etl.destinations._file_output import Output

T = TypeVar("T")


class FileTarget(Target):
    """One attempt's file. Nothing of it is seen before `commit`."""

    capabilities = Capabilities(upsert=False, transactional_ddl=False)
    fills: ClassVar[Literal["table", "file"]] = "file"

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        assert isinstance(job.target, JobFileTarget)
        self.target = job.target
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="file")
        self._output: Output | None = None
        self._file: WrittenFile | None = None

    @property
    def file(self) -> WrittenFile | None:
        return self._file

    async def last_cursor(self) -> str | None:
        return self.target.cursor

    def encode(self, rows: Rows) -> Encoded:
        """The rows as they are: they are written in the file's own thread."""
        return Encoded(len(rows.batch), rows.batch)

    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        rows = 0
        async for item in encoded:
            output, payload = self.output, item.payload
            await self.in_thread(lambda: output.write(payload))  # noqa: B023 - awaited at once
            rows += item.rows
        await self.in_thread(self.output.finish)
        return Written(inserted=rows)

    async def abandon(self) -> None:
        output, self._output = self._output, None
        if output is not None:
            # Behind what the thread still does: once it is closed, the descriptor may be another file's.
            await asyncio.shield(self._future(lambda: output.close(remove=not self.is_kept)))
        self._thread.shutdown(wait=False)

    @property
    def output(self) -> "Output":
        """The file that is open."""
        assert self._output is not None
        return self._output

    @property
    @abstractmethod
    def is_kept(self) -> bool:
        """Whether the file on this machine is what remains."""

    async def begin(self, path: Path) -> None:
        """Open the file that the rows go to."""
        self._output = await self.in_thread(lambda: self._opened(path))

    def settled(self, counts: Counts) -> Counts:
        """The counts with the stream's cursor: where nothing new was read, it stays where it is."""
        if counts.cursor is None and not self.job.restart:
            counts.cursor = self.target.cursor
        return counts

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run in the file's thread; what has begun there is ended also when the waiting is cancelled."""
        return await asyncio.shield(self._future(work))

    def _opened(self, path: Path) -> "Output":
        from services.etl.destinations._file_output import Output

        return Output(path, self.target.form, self.columns, most=self.target.max_bytes)

    def _future(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

"""An open API: page after page through a file of this machine, each read as a file of its form."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from services.etl.loaders._base import Batch, Reading, Source
from services.etl.loaders._http_cursor import Cursor
from services.etl.loaders._http_errors import PageRefused
from services.etl.loaders._http_paging import Ask, Course, Page
from services.etl.loaders._http_requests import Requests
from services.etl.loaders._loop_thread import LoopThread
from services.etl.loaders.http import Http
from services.etl.pipeline.errors import JobCancelled, SourceBusy, SourceInvalid
from shared.contracts.connection import HttpConnection
from shared.errors import Fault


class HttpReading(Reading):
    """The pages of an API. Iterate once; leaving the context ends the request that is under way."""

    def __init__(self, loader: Http, source: Source) -> None:
        self._loader = loader
        self._source = source
        self._reader = loader.page_loader()
        self._connection = connection_of(source)
        self._cursor = Cursor(loader, source.cursor)
        self._loop: LoopThread | None = None
        self._requests: Requests | None = None
        self._folder: Path | None = None
        self._first = self._bytes_done = 0
        self._ended = self._left = False

    def close(self) -> None:
        self._left = True
        if self._loop is not None:
            self._loop.close(self._requests.close if self._requests else None)
        if self._folder is not None:
            with suppress(OSError):
                shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def bytes_read(self) -> int:
        return self._requests.bytes_read if self._requests else 0

    @property
    def bytes_done(self) -> int:
        return self._bytes_done

    @property
    def cursor(self) -> str | None:
        return self._cursor.kept if self._ended else None

    def __iter__(self) -> Iterator[Batch]:
        course = Course(self._loader, self._connection, cursor=self._cursor.sent)
        ask: Ask | None = course.first()
        while ask is not None:
            page = self.page(ask)
            try:
                records = yield from self._rows(page)
                following = course.after(ask, page, records)
            except SourceInvalid as error:
                raise _of_page(error, ask) from error
            page.file.path.unlink(missing_ok=True)
            self._bytes_done = self.bytes_read
            ask = following
        self._ended = True
        self.close()

    def page(self, ask: Ask) -> Page:
        """Ask for a page, which may take long: not in an event loop."""
        loop, requests = self._begun()
        try:
            return loop.call(requests.page(ask))
        except SourceInvalid as error:
            raise _of_page(error, ask) from error
        except SourceBusy as error:
            raise SourceBusy(reason=f"page {ask.number} of the API: {error.facts['reason']}") from error

    def _begun(self) -> tuple[LoopThread, Requests]:
        if self._loop is None or self._requests is None:
            self._folder = Path(tempfile.mkdtemp(prefix="pages-", dir=self._source.scratch))
            self._requests = Requests(
                self._loader.params, self._connection, self._source.policy, folder=self._folder
            )
            self._loop = LoopThread()
            if self._left:
                self.close()
                raise JobCancelled
        return self._loop, self._requests

    def _rows(self, page: Page) -> Generator[Batch, None, int]:
        """The rows of a page; at the end, how many records it had."""
        found = read = 0
        nothing = page.empty or (not page.file.size and self._loader.params.format != "json")
        if not nothing:
            with self._reader.open_file(page.file) as reading:
                for batch in reading:
                    read += batch.rows_read
                    found += batch.rows_read - batch.filtered
                    self._cursor.saw(batch)
                    yield replace(batch, file=page.file.name, first=self._first)
        self._first += read
        return found


def connection_of(source: Source) -> HttpConnection:
    """The API that is read. Raises SourceInvalid where the resource is none."""
    if source.connection is None:
        raise SourceInvalid(reason="its resource is not there")
    connection = source.connection.connection
    if not isinstance(connection, HttpConnection):
        raise SourceInvalid(reason=f"its resource is of the type {connection.type!r}, which is no HTTP API")
    return connection


def _of_page(error: SourceInvalid, ask: Ask) -> PageRefused:
    faults = error.all_faults() or (Fault((), error.code(), str(error)),)
    return PageRefused(page=ask.number, sentence=str(error), faults=faults)

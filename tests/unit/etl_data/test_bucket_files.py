"""Objects as files: which are found, what is fetched, and that nothing of them stays."""

import errno
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import TypeAdapter

from services.etl.loaders import _bucket_files
from services.etl.loaders._base import Source
from services.etl.loaders._bucket_files import BucketPlace
from services.etl.loaders._files import FileLoader
from services.etl.loaders._files_errors import (
    BeginningTooShort,
    BucketMissing,
    ObjectsTooMany,
    ObjectTooLarge,
)
from services.etl.loaders.csv import Csv
from services.etl.loaders.json import Json
from services.etl.pipeline.errors import JobCancelled, SourceBusy, SourceChanged, SourceInvalid
from shared.contracts.connection import ConnectionInfo
from shared.engines.s3 import Bucket, Stored
from shared.identifiers import uuid7
from shared.security.guard import OutboundPolicy
from tests.resources import handed_out
from tests.servers.s3 import S3Server

Places = Any
Sources = Any


class Usage(NamedTuple):
    """What a disk has, in bytes."""

    free: int


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server(page=2) as running:
        yield running


@pytest.fixture
def source(server: S3Server, tmp_path: Path) -> Sources:
    def source(info: Any = None, **given: Any) -> Source:
        connection: Any = TypeAdapter(ConnectionInfo).validate_python(info or server.connection())
        policy = OutboundPolicy(allow_loopback=True)
        return Source(connection=handed_out(connection), policy=policy, scratch=tmp_path, **given)

    return source


@pytest.fixture
def place(source: Sources, tmp_path: Path) -> Iterator[Places]:
    made = list[BucketPlace]()

    def place(pattern: str = "**", *, streamed: bool = True, **given: Any) -> BucketPlace:
        made.append(BucketPlace(source(**given), pattern, streamed=streamed))
        return made[-1]

    yield place
    for each in made:
        each.close()
    assert list(tmp_path.iterdir()) == []


def test_objects_come_in_the_order_of_their_keys_without_folders(place: Places, server: S3Server) -> None:
    for key in ("b", "a/", "a/2", "B", "a/1", "\u00e9"):
        server.put(key, key.encode())
    assert [(file.name, file.size) for file in place().found()] == [
        ("B", 1), ("a/1", 3), ("a/2", 3), ("b", 1), ("\u00e9", 2),
    ]  # fmt: skip


def test_an_object_is_here_only_while_it_is_needed(place: Places, server: S3Server, tmp_path: Path) -> None:
    server.put("a/b", b"22")
    there = place()
    (file,) = there.found()
    with there.there(file) as here:
        assert here.path.read_bytes() == b"22"
        assert tmp_path in here.path.parents
    assert not here.path.exists()


def test_what_is_no_bucket_is_refused(place: Places) -> None:
    with pytest.raises(BucketMissing):
        place(info={"type": "sqlite", "file": "a.db"}).found()


def test_more_objects_than_a_run_takes_are_refused(
    place: Places, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bucket_files, "MAX_OBJECTS", 3)
    for at in range(4):
        server.put(f"{at}", b"")
    with pytest.raises(ObjectsTooMany, match="More than 3"):
        place().found()


def test_a_key_that_no_text_can_hold_is_refused(place: Places, server: S3Server) -> None:
    server.put("a\x00b", b"")
    with pytest.raises(SourceInvalid, match="NUL"):
        place().found()


def test_where_the_disk_has_no_room_nothing_is_fetched(
    place: Places, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("a", b"12345")
    there = place()
    (file,) = there.found()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=4))
    with pytest.raises(SourceBusy, match="no room for the 5 bytes"), there.there(file):
        pass
    assert "GET a" not in server.requests


def test_a_disk_that_is_full_meanwhile_is_told_as_such(
    place: Places, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def download(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    server.put("a", b"12345")
    monkeypatch.setattr(Bucket, "download", download)
    there = place()
    (file,) = there.found()
    with pytest.raises(SourceBusy, match="no room"), there.there(file):
        pass


def test_what_waits_for_the_store_ends_when_the_place_is_closed(place: Places, server: S3Server) -> None:
    server.put("a", b"12345")
    there = place()
    (file,) = there.found()
    held = server.trouble(key="a", held=threading.Event())

    def close() -> None:
        assert held.come.wait(10)
        there.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(JobCancelled), there.there(file):
        pass
    closing.join()


def test_an_object_that_is_gone_has_changed(place: Places, server: S3Server) -> None:
    server.put("a", b"12345")
    there = place()
    (file,) = there.found()
    server.objects.clear()
    with pytest.raises(SourceChanged, match="'a'"), there.there(file):
        pass


def test_previews_fetch_beginnings_or_refuse_what_is_large(
    place: Places, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bucket_files, "BEGINNING", 2)
    monkeypatch.setattr(_bucket_files, "WHOLE", 4)
    server.put("a", b"12345")
    there = place(beginning=True)
    (file,) = there.found()
    with there.there(file) as here:
        assert (here.path.read_bytes(), here.size, file.size) == (b"12", 2, 5)
    whole = place(beginning=True, streamed=False)
    (file,) = whole.found()
    with pytest.raises(ObjectTooLarge), whole.there(file):
        pass


@pytest.mark.parametrize(("loader", "content"), [(Csv, b"a\n1\n2\n3\n"), (Json, b'[{"a": 1}, {"a": 2}]')])
def test_rows_beyond_the_beginning_are_told_and_not_missed(
    loader: type[FileLoader],
    content: bytes,
    source: Sources,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_bucket_files, "BEGINNING", 6)
    server.put("a", content)
    with open_reading(loader, source) as reading, pytest.raises(BeginningTooShort):
        list(reading)


def test_a_reading_knows_its_size_once_it_has_begun_and_leaves_nothing(
    source: Sources, server: S3Server, tmp_path: Path
) -> None:
    server.put("a", b"a\n1\n")
    server.put("b", b"a\n2\n3\n")
    before = threading.active_count()
    with open_reading(Csv, source) as reading:
        assert [reading.size] == [None]
        assert [batch.rows_read for batch in reading] == [1, 2]
        assert (reading.size, reading.bytes_read, reading.bytes_done) == (10, 10, 10)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def open_reading(loader: type[FileLoader], source: Sources) -> Any:
    """A reading of all objects by a loader."""
    layout = {"layout": "array"} if loader is Json else {}
    columns = [{"name": "a", "type": "int64"}]
    made = loader.of({"resource_id": str(uuid7()), "pattern": "**", "columns": columns, **layout})
    return made.open(source(beginning=True))


def test_after_the_end_nothing_is_begun(place: Places, server: S3Server) -> None:
    there = place()
    there.close()
    with pytest.raises(JobCancelled):
        there.found()
    assert server.requests == []


def test_an_object_that_is_listed_twice_is_not_read_twice(
    place: Places, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("a", b"1")
    listed = Bucket.listed

    async def twice(self: Bucket, prefix: str = "", **given: Any) -> AsyncIterator[Stored]:
        for _ in range(2):
            async for stored in listed(self, prefix, **given):
                yield stored

    monkeypatch.setattr(Bucket, "listed", twice)
    with pytest.raises(SourceInvalid, match="lists an object twice"):
        place().found()

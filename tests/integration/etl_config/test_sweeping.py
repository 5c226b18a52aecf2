"""What nobody comes back for is removed, and nothing else."""

import fcntl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.etl.files.errors import FileUnknown
from services.etl.files.models import UploadedFile
from services.etl.files.names import part_of
from services.etl.files.schemas import FileInput
from services.etl.files.service import FileLimits, FileService
from services.etl.files.store import LocalStore
from services.etl.files.sweeping import Sweeper
from services.etl.pipeline.registry import steps
from services.etl.tasks.repository import TaskUses
from shared import clock
from shared.contracts.identity import TenantScope
from shared.db import migrations
from shared.db.session import Database
from shared.identifiers import FileId, TenantId, uuid7

MINE, THEIRS = (TenantScope(TenantId(uuid7())) for _ in range(2))


class House:
    """A file service and its sweeper, whose clock a test moves."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.store = LocalStore(folder)
        self.files = FileService(database, store=self.store, users=TaskUses(steps()), limits=FileLimits())
        self.now = clock.now()
        self.sweeper = Sweeper(database, self.store, clock=self._time)

    def _time(self) -> datetime:
        return self.now

    async def upload(self, content: bytes, *, size: int, scope: TenantScope = MINE) -> UploadedFile:
        row = await self.files.create(scope, FileInput(name="a.csv", size=size))
        return await self.files.append(scope, FileId(row.id), offset=0, chunks=_once(content))

    async def after(self, **passed: float) -> None:
        """Sweep when this much time has passed."""
        self.now = clock.now() + timedelta(**passed)
        await self.sweeper.sweep()

    def bytes_of(self, scope: TenantScope, file_id: UUID) -> bool:
        return self.store.path(scope.tenant_id, file_id).exists()


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Event and file of each line that the sweeper logged."""
    lines = [record.msg for record in caplog.records if record.name.endswith("sweeping")]
    return [(line["event"], line["file_id"]) for line in lines if isinstance(line, dict)]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"
    migrations.upgrade(url, "etl")
    database = Database(url)
    yield House(database, tmp_path / "files")
    await database.close()


async def test_an_upload_without_a_byte_for_a_day_is_removed_with_its_bytes(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    row = await house.upload(b"12345", size=10)
    await house.after(hours=23)
    assert (await house.files.get(MINE, FileId(row.id))).received == 5

    caplog.set_level("INFO")
    await house.after(hours=25)

    with pytest.raises(FileUnknown):
        await house.files.get(MINE, FileId(row.id))
    assert not house.bytes_of(MINE, row.id)
    assert said(caplog) == [("upload_given_up", str(row.id))]


async def test_an_announced_file_that_never_got_a_byte_is_removed_too(house: House) -> None:
    row = await house.files.create(THEIRS, FileInput(name="a.csv", size=10))

    await house.after(hours=25)

    with pytest.raises(FileUnknown):
        await house.files.get(THEIRS, FileId(row.id))
    assert not house.bytes_of(THEIRS, row.id)


async def test_a_ready_file_stays_however_old(house: House) -> None:
    row = await house.upload(b"12345", size=5)

    await house.after(days=1000)

    assert (await house.files.ready(MINE, FileId(row.id))).path.read_bytes() == b"12345"


async def test_an_upload_that_is_being_written_stays(house: House) -> None:
    row = await house.upload(b"12345", size=10)

    async with house.store.writing(MINE.tenant_id, row.id):
        await house.after(hours=25)

    assert (await house.files.get(MINE, FileId(row.id))).received == 5


async def test_bytes_without_a_row_are_removed_after_an_hour_only(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await house.upload(b"12345", size=5)
    left = house.store.path(MINE.tenant_id, uuid7())
    left.write_bytes(b"left by a crash")
    await house.after(minutes=59)
    assert left.exists()

    caplog.set_level("INFO")
    await house.after(minutes=61)

    assert (left.exists(), house.bytes_of(MINE, kept.id)) == (False, True)
    assert said(caplog) == [("unknown_bytes_removed", left.name)]


async def test_a_row_of_one_tenant_keeps_no_bytes_of_another(house: House) -> None:
    mine = await house.upload(b"12345", size=5)
    stray = house.store.path(THEIRS.tenant_id, mine.id)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")

    await house.after(hours=2)

    assert (stray.exists(), house.bytes_of(MINE, mine.id)) == (False, True)


async def test_what_is_not_named_as_a_file_of_a_tenant_is_left_alone(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / str(uuid7())).write_bytes(b"x")
    folder = house.folder / str(uuid7())
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_bytes(b"x")
    (house.folder / str(uuid7())).symlink_to(outside)
    (folder / str(uuid7())).symlink_to(outside / "nothing")
    before = [sorted(place.rglob("*")) for place in (house.folder, outside)]

    await house.after(hours=2)

    assert [sorted(place.rglob("*")) for place in (house.folder, outside)] == before


async def test_a_store_without_a_folder_yet_is_swept(house: House) -> None:
    await house.after(days=2)
    assert not house.folder.exists()


async def test_what_a_lost_run_has_begun_is_removed_and_what_one_still_writes_is_not(house: House) -> None:
    left, written = (part_of(house.store.path(MINE.tenant_id, uuid7())) for _ in range(2))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of a fi")
    with written.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        await house.after(minutes=59)
        both = (left.exists(), written.exists())
        await house.after(minutes=61)

        assert both == (True, True)
        assert (left.exists(), written.exists()) == (False, True)

"""Folders for what jobs spill: there while they are used, gone afterwards, whoever has left them."""

import asyncio
import errno
import sys
import tempfile
from pathlib import Path

import pytest

from services.etl.runner import scratch
from services.etl.runner.executor import Executor
from shared.security.guard import OutboundPolicy

HOLDER = """
import asyncio, sys, tempfile
tempfile.tempdir = sys.argv[1]
from services.etl.runner import scratch
async def hold():
    async with scratch.folder() as made:
        (made / "spilled").write_bytes(b"rows")
        print(made, flush=True)
        sys.stdin.read()
asyncio.run(hold())
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(base: Path) -> Path:
    left = Path(tempfile.mkdtemp(prefix="penstock-work-", dir=base))
    (left / "spilled").write_bytes(b"rows")
    return left


async def test_a_folder_is_gone_with_what_was_in_it(base: Path) -> None:
    async with scratch.folder() as made:
        (made / "spilled").write_bytes(b"rows")
        assert made.parent == base
    assert list(base.iterdir()) == []


async def test_two_jobs_have_a_folder_each() -> None:
    async with scratch.folder() as first, scratch.folder() as second:
        assert first != second
        assert first.is_dir()


async def test_jobs_that_begin_at_the_same_time_dont_take_each_others_folders(base: Path) -> None:
    async def begin_often() -> int:
        lost = 0
        for _ in range(100):
            async with scratch.folder() as made:
                await asyncio.sleep(0)
                lost += not made.is_dir()
        return lost

    assert await asyncio.gather(*(begin_often() for _ in range(8))) == [0] * 8
    assert list(base.iterdir()) == []


async def test_what_another_process_uses_stays_until_it_is_killed(base: Path) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(base), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    used = Path((await other.stdout.readline()).decode().strip())
    async with scratch.folder():
        assert (used / "spilled").exists()
    other.kill()
    await other.wait()
    async with scratch.folder():
        assert not used.exists()


async def test_what_was_left_goes_when_an_executor_starts(base: Path) -> None:
    left = left_behind(base)
    await Executor(policy=OutboundPolicy()).start()
    assert not left.exists()


async def test_nothing_else_is_removed(base: Path) -> None:
    (base / "penstock-work-is-a-file").write_bytes(b"")
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (base / "penstock-work-link").symlink_to(elsewhere)
    async with scratch.folder():
        assert elsewhere.is_dir()
        assert (base / "penstock-work-is-a-file").exists()


async def test_a_folder_that_cant_be_made_is_trouble_that_passes(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(scratch.ScratchUnavailable, match="no room left"):
        async with scratch.folder():
            pass

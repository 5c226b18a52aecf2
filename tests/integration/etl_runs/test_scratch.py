"""Folders for what jobs spill: there while they are used, gone afterwards, whoever has left them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.etl.runner import scratch


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _process_that_is_gone() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def test_a_folder_is_gone_with_what_was_in_it(base: Path) -> None:
    async with scratch.folder() as made:
        (made / "spilled").write_bytes(b"rows")
        assert made.parent == base
    assert list(base.iterdir()) == []


async def test_two_jobs_have_a_folder_each() -> None:
    async with scratch.folder() as first, scratch.folder() as second:
        assert first != second
        assert first.is_dir()


async def test_what_a_process_has_left_that_is_gone_is_removed(base: Path) -> None:
    left = base / f"penstock-scratch-{_process_that_is_gone()}-abc"
    left.mkdir()
    async with scratch.folder():
        assert not left.exists()


async def test_what_another_process_uses_stays(base: Path) -> None:
    used = base / "penstock-scratch-1-abc"
    used.mkdir()
    async with scratch.folder():
        assert used.exists()


async def test_what_an_earlier_process_of_this_number_has_left_is_removed(base: Path) -> None:
    async with scratch.folder() as made:
        left = base / made.name.replace(made.name.rpartition("-")[2], "earlier")
        left.mkdir()
    async with scratch.folder():
        assert not left.exists()

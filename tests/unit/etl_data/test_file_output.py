"""A file that is written and does not come to its end: nothing of it stays, on the disk or elsewhere."""

import errno
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.destinations._file_output import Output
from services.etl.pipeline.definition import FileForm
from services.etl.pipeline.errors import TargetBusy, TargetRefused

COLUMNS = Columns([Column(name="a", type=ColumnType("text"))])
FORMS = [
    FileForm(format=form, compression=packing)
    for form in ("parquet", "csv", "json_lines")
    for packing in ("none", "gzip", "zstd")
]


def rows() -> Any:
    """Some hundred KB that can't be packed well."""
    return pa.RecordBatch.from_pydict({"a": [os.urandom(50).hex() for _ in range(2000)]})


@pytest.fixture(params=FORMS, ids=lambda form: f"{form.format}-{form.compression}")
def form(request: pytest.FixtureRequest) -> FileForm:
    found: FileForm = request.param
    return found


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A disk with room for so many bytes."""
    write = os.write

    def only(most: int) -> None:
        left = most

        def bounded(descriptor: int, data: Any) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/path")
            done = write(descriptor, data[:left])
            left -= done
            return done

        monkeypatch.setattr(os, "write", bounded)

    yield only
    monkeypatch.undo()


def fill(path: Path, form: FileForm, *, most: int = 1 << 30) -> None:
    """Write rows to a file, as an attempt does."""
    output = Output(path, form, COLUMNS, most=most)
    try:
        output.write(rows())
        output.finish()
    finally:
        output.close(remove=True)


@pytest.mark.parametrize("most", [0, 1, 5000])
def test_a_full_disk_says_so_and_nothing_stays_on_it(
    form: FileForm, most: int, room: Callable[[int], None], tmp_path: Path
) -> None:
    opened = psutil.Process().num_fds()
    room(most)

    with pytest.raises(TargetBusy, match="there is no room for the file on the disk") as raised:
        fill(tmp_path / "t" / "file", form)

    assert "/a/path" not in str(raised.value)
    assert list((tmp_path / "t").iterdir()) == []
    assert psutil.Process().num_fds() == opened


@pytest.mark.parametrize("most", [0, 1, 5000])
def test_a_file_that_gets_too_large_is_refused_and_nothing_stays(
    form: FileForm, most: int, tmp_path: Path
) -> None:
    with pytest.raises(TargetRefused, match=f"more than the {most} bytes that are left"):
        fill(tmp_path / "file", form, most=most)

    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_all_the_bytes_that_are_left(tmp_path: Path) -> None:
    form, empty = FileForm(format="csv", compression="none"), len('"a"\n')

    output = Output(tmp_path / "file", form, COLUMNS, most=empty)
    output.finish()
    output.close(remove=False)

    assert (tmp_path / "file").read_bytes() == b'"a"\n'


def test_a_file_that_was_given_up_writes_to_no_other(form: FileForm, tmp_path: Path) -> None:
    """Who ends a stream when it is forgotten does so behind its file: the descriptor is another's by then."""
    output = Output(tmp_path / "file", form, COLUMNS, most=1 << 30)
    output.write(rows())
    output.close(remove=True)

    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    del output
    gc.collect()

    assert os.fstat(other).st_size == 0
    os.close(other)

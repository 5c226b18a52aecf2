"""Files of rejected rows: written in pieces, read by pages, whole or cut off."""

from pathlib import Path
from uuid import UUID

from services.etl.runs.rejected.store import RejectFile, RejectStore

TENANT, RUN = UUID(int=1), UUID(int=2)


def rows(*records: int) -> list[dict[str, object]]:
    return [{"record": record, "value": f"bad {record}"} for record in records]


def records(file: RejectFile, *, after: int = 0, most: int = 100) -> list[int]:
    return [row["record"] for row in file.rows(after=after, most=most)]


def test_pieces_are_read_as_one_file_and_by_pages(tmp_path: Path) -> None:
    file = RejectStore(tmp_path).file(TENANT, RUN, 1)
    size = file.append(rows(1, 2, 3), at=0)
    file.append(rows(4, 5), at=size)
    assert records(file) == [1, 2, 3, 4, 5]
    assert records(file, after=1, most=4) == [2, 3, 4]
    assert records(file, after=9, most=12) == []


def test_a_piece_that_was_written_in_part_is_written_again(tmp_path: Path) -> None:
    file = RejectStore(tmp_path).file(TENANT, RUN, 1)
    size = file.append(rows(1, 2), at=0)
    with file.path.open("ab") as cut:
        cut.write(b"\x1f\x8b half of a piece")
    file.append(rows(3), at=size)
    assert records(file) == [1, 2, 3]


def test_what_a_killed_writer_left_is_read_up_to_there(tmp_path: Path) -> None:
    file = RejectStore(tmp_path).file(TENANT, RUN, 1)
    size = file.append(rows(1, 2), at=0)
    file.append(rows(*range(3, 500)), at=size)
    content = file.path.read_bytes()
    file.path.write_bytes(content[: size + 40])
    assert records(file, most=2) == [1, 2]


def test_a_file_that_is_gone_has_no_rows(tmp_path: Path) -> None:
    assert records(RejectStore(tmp_path).file(TENANT, RUN, 1)) == []


async def test_files_of_earlier_attempts_are_removed_and_no_others(tmp_path: Path) -> None:
    store = RejectStore(tmp_path)
    files = [store.file(TENANT, RUN, attempt) for attempt in (1, 2, 10)]
    for file in files:
        file.append(rows(1), at=0)
    await store.drop_before(TENANT, RUN, 10)
    assert [file.path.exists() for file in files] == [False, False, True]


def test_nobody_else_can_read_what_was_rejected(tmp_path: Path) -> None:
    file = RejectStore(tmp_path).file(TENANT, RUN, 1)
    file.append(rows(1), at=0)
    assert file.path.stat().st_mode & 0o077 == 0
    assert file.path.parent.stat().st_mode & 0o077 == 0

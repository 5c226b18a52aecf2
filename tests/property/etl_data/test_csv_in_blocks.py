"""Reading in blocks gives what reading at once gives, with the same record and line numbers."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.loaders import _csv_reader
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders.csv import Csv
from shared.identifiers import uuid7

LONGEST = 120
cells = st.sampled_from(
    ["", "1", "-7", "x", '"quoted"', '"a,b"', '"two\nlines"', '"cr\r\nlf"', '""', '"say ""hi"""']
)
lines = st.one_of(
    st.tuples(cells, cells, cells).map(",".join),
    st.sampled_from(["", ",,", "ragged", "a,b,c,d", "\u5de5\u5177,1,2"]),
)
files = st.lists(lines, max_size=40)


def read(path: Path) -> tuple[Any, ...]:
    """Everything that a reader says of a file."""
    declared = [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}, {"name": "c", "type": "text"}]
    loader = Csv.of({"file_id": str(uuid7()), "columns": declared})
    rows, records, physical, rejected, where, read_rows, filtered = [], [], [], [], [], 0, 0
    with loader.open(Source((SourceFile(path, path.stat().st_size),))) as reading:
        for batch in reading:
            rows += batch.rows.to_pylist()
            records += list(batch.records)
            physical += list(batch.lines)
            rejected += batch.rejected
            where += list(batch.rejected_lines)
            read_rows += batch.rows_read
            filtered += batch.filtered
        assert reading.bytes_read == reading.bytes_done == path.stat().st_size
    assert read_rows == len(rows) + len(rejected) + filtered
    return rows, records, physical, sorted(zip(map(str, rejected), where, strict=True)), filtered


@given(content=files, newline=st.sampled_from(["\n", "\r\n"]), block=st.integers(LONGEST, 400))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_of_any_size_give_the_same_rows(
    content: list[str], newline: str, block: int, tmp_path: Path
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(newline.join(["a,b,c", *content, ""]).encode())
    whole = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_csv_reader, "BLOCK_SIZE", block)
        assert read(path) == whole


@given(content=files)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_line_numbers_are_those_of_an_editor(content: list[str], tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("\n".join(["a,b,c", *content, ""]).encode())
    starts, line = [], 2
    for text in content:
        starts.append(line)
        line += 1 + text.count("\n")
    _, records, physical, rejected, _ = read(path)
    assert physical == [starts[record - 1] for record in records]
    assert {where for _, where in rejected} <= set(starts)

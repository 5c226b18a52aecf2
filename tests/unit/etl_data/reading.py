"""Everything that a loader says of files, for tests that look at one part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files import FileLoader
from services.etl.pipeline.context import RejectedRow


@dataclass
class Read:
    """What came of files: rows, and where they and the rejected records stand."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    rejected_lines: list[int | None] = field(default_factory=list)
    filtered: int = 0
    raw: dict[int, str | None] = field(default_factory=dict)

    @property
    def rejects(self) -> list[tuple[Any, ...]]:
        """Record over all files, line, column and code of each."""
        return [
            (row.record, line, row.column, row.code)
            for row, line in zip(self.rejected, self.rejected_lines, strict=True)
        ]


def read_all(loader: FileLoader, files: Sequence[Path], *, records: frozenset[int] | None = None) -> Read:
    """Read files to their end; what must hold of any reading is checked."""
    found = Read()
    source = Source(tuple(_known(path) for path in files), records=records)
    with loader.open(source) as reading:
        for batch in reading:
            assert batch.rows_read == len(batch.rows) + len(batch.rejected) + batch.filtered
            assert batch.rows.schema.names == list(loader.columns_out().names)
            found.rows += [tuple(row.values()) for row in batch.rows.to_pylist()]
            found.records += [int(record) + batch.first for record in batch.records]
            found.lines += [int(line) for line in batch.lines]
            found.files += [batch.file] * len(batch.rows)
            found.rejected += batch.rejected
            found.rejected_lines += batch.rejected_lines
            found.filtered += batch.filtered
            if batch.raw is not None:
                numbers = [int(record) for record in batch.records]
                texts = zip(numbers, batch.raw(numbers), strict=True)
                found.raw |= {batch.first + number: text for number, text in texts}
        assert reading.bytes_read == reading.bytes_done == reading.size == sum(map(_size, files))
    return found


def _known(path: Path) -> SourceFile:
    return SourceFile(path, _size(path), None, path.name)


def _size(path: Path) -> int:
    return path.stat().st_size

"""Sources as loaders get them, made of what came with the job; and those that steps look things up in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.etl.columns import Columns
from services.etl.loaders._base import Loader, Source, SourceFile
from services.etl.pipeline.context import Lookup
from services.etl.pipeline.errors import LookupInvalid
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.validate import Built
from shared.security.guard import OutboundPolicy


def source_of(
    given: JobSource, *, policy: OutboundPolicy, cursor: str | None = None, scratch: Path | None = None
) -> Source:
    """The source of a loader."""
    return Source(
        files=tuple(SourceFile(Path(file.path), file.size, file.sha256, file.name) for file in given.files),
        connection=given.connection,
        sqlite_path=Path(given.sqlite_path) if given.sqlite_path else None,
        policy=policy,
        cursor=cursor,
        records=None if given.records is None else frozenset(given.records),
        scratch=scratch,
    )


def lookups_of(
    built: Built, given: Mapping[str, JobSource], *, policy: OutboundPolicy, scratch: Path | None
) -> dict[str, Lookup]:
    """The further sources of steps, by their keys."""
    found = dict[str, Lookup]()
    for key, loader in built.lookups.items():
        position, _, name = key.partition(".")
        source = source_of(given[key], policy=policy, scratch=scratch)
        found[key] = OpenLookup(built.handlers[int(position)].name, name, loader, source)
    return found


@dataclass(frozen=True, slots=True)
class OpenLookup:
    """A further source of a step: `name` is that of the parameter that gives it."""

    step: str
    name: str
    loader: Loader
    source: Source

    @property
    def columns(self) -> Columns:
        """The columns of its rows."""
        return self.loader.columns_out()

    def batches(self) -> Iterator[Any]:
        """All rows, read anew each time. Raises LookupInvalid: a lookup has no rejects of its own."""
        with self.loader.open(self.source) as reading:
            for batch in reading:
                if batch.rejected:
                    first = batch.rejected[0]
                    column = f", column {first.column!r}" if first.column else ""
                    reason = f"its record {first.record}{column} {first.reason}"
                    raise LookupInvalid(step=self.step, name=self.name, reason=reason)
                yield batch.rows

"""What a scan found against what is stored: decided in memory, one comparison for each table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.meta.recording.canonical import content_hash
from services.meta.scanners._model import TableFailure, TableFilter, TableInfo, Unit


@dataclass(frozen=True, slots=True)
class Stat:
    """Row count (rows) and sizes (bytes) of a table, None where unknown."""

    row_count: int | None
    data_size_bytes: int | None
    index_size_bytes: int | None

    @classmethod
    def of(cls, table: TableInfo) -> "Stat":
        return cls(table.row_count, table.data_size_bytes, table.index_size_bytes)


@dataclass(frozen=True, slots=True)
class Known:
    """A stored table, as far as a comparison needs it."""

    table_id: UUID
    content_hash: str | None
    is_removed: bool
    scan_error: str | None
    stat: Stat
    last_scan_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A stored table that could not be read this time; `last_scan_at` is when it last could."""

    table_id: UUID
    reason: str
    last_scan_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A table whose rows have to be written; `table_id` is None for one that was never stored."""

    table: TableInfo
    content_hash: str
    table_id: UUID | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a unit asks of the store. `unchanged` tables ask for nothing."""

    rewrites: list[Rewrite] = field(default_factory=list)
    stats: list[tuple[UUID, Stat]] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)
    unchanged: list[UUID] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.rewrites or self.stats or self.failures)


def compare(unit: Unit, known: Mapping[str, Known]) -> Changes:
    """The changes of a unit against the stored tables of its schema, by name."""
    changes = Changes()
    for table in unit.tables:
        _compare_table(table, known.get(table.name), changes)
    for failure in unit.failures:
        stored = known.get(failure.table or "")
        if stored is not None and stored.scan_error != failure.reason:
            changes.failures.append(Failed(stored.table_id, failure.reason, stored.last_scan_at))
    return changes


def _compare_table(table: TableInfo, stored: Known | None, changes: Changes) -> None:
    found, stat = content_hash(table), Stat.of(table)
    if stored is None:
        changes.rewrites.append(Rewrite(table, found, None))
    elif stored.content_hash != found or stored.is_removed or stored.scan_error is not None:
        changes.rewrites.append(Rewrite(table, found, stored.table_id))
    else:
        changes.unchanged.append(stored.table_id)
        if stored.stat != stat:
            changes.stats.append((stored.table_id, stat))


def vanished(
    schema: str, known: Mapping[str, Known], listed: frozenset[str], wanted: TableFilter
) -> list[UUID]:
    """Stored tables that a complete listing of their schema no longer has, within what was asked for."""
    return [
        stored.table_id
        for name, stored in known.items()
        if not stored.is_removed and name not in listed and wanted.matches(schema, name)
    ]


def failure_documents(database: str, failures: Sequence[TableFailure]) -> list[dict[str, str | None]]:
    """Failures as the sync log keeps them."""
    return [
        {"database": database, "schema": each.schema, "table": each.table, "reason": each.reason}
        for each in failures
    ]

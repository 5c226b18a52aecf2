"""The recorder: brings the stored catalog in line with what a scan finds, a bounded part at a time."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from services.meta.catalog.models import CatalogDatabase, CatalogSchema
from services.meta.recording.changes import Changes, Known, Rewrite, compare, failure_documents, vanished
from services.meta.recording.repository import CatalogState, CatalogWriter
from services.meta.scanners._model import DatabaseInfo, SchemaList, TableFilter, Unit
from shared.contracts.identity import TenantScope
from shared.db.session import Database, WriteSession
from shared.identifiers import DatasourceId

_TABLES_AT_ONCE: Final = 100
_FIELDS_AT_ONCE: Final = 3_000
"""Bounds of one unit of work: on SQLite all other writers wait for it."""
_PROGRESS_EVERY: Final = 1.0
"""Seconds after which counts are written although nothing else is."""

Failure = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a part of a scan adds to the counts of its sync log."""

    databases_scanned: int = 0
    tables_scanned: int = 0
    fields_scanned: int = 0
    tables_changed: int = 0
    tables_removed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        names = Counts.__dataclass_fields__
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Progress(Protocol):
    """Where a scan writes how far it is. Every unit of work of the recorder begins with this."""

    async def note(
        self, session: WriteSession, counts: Counts, failures: Sequence[Failure], *, where: str
    ) -> datetime:
        """Add counts and failures, and give the moment of this unit of work.

        Raises `LeaseLost` when this scan may not write any more; the unit of work is then rolled back.
        """
        ...


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes the catalog of one datasource for one scan."""

    database: Database
    scope: TenantScope
    datasource_id: DatasourceId
    progress: Progress

    async def put_databases(self, found: Sequence[DatabaseInfo]) -> None:
        """Level 1: a complete list of databases; what isn't in it is marked removed."""
        failures = [_failure(each.name, each.failure) for each in found if each.failure]
        async with self.database.write() as session:
            counts = Counts(databases_scanned=len(found))
            moment = await self.progress.note(session, counts, failures, where="")
            await CatalogWriter(session, moment).put_databases(self.scope, self.datasource_id, found)

    async def databases(self) -> list[CatalogDatabase]:
        """The databases that are known of this datasource."""
        async with self.database.read() as session:
            return await CatalogState(session).databases(self.scope, self.datasource_id)

    async def put_failure(self, name: str, reason: str) -> None:
        """A whole database could not be read: nothing stored of it is changed."""
        async with self.database.write() as session:
            await self.progress.note(session, Counts(), [_failure(name, reason)], where=name)

    def tables_of(self, stored: CatalogDatabase, wanted: TableFilter) -> "TableRecorder":
        """What records the tables of one database."""
        return TableRecorder(self, stored, wanted)


class TableRecorder:
    """Records one database, unit by unit. What wasn't listed completely is not said to have vanished."""

    def __init__(self, recorder: Recorder, stored: CatalogDatabase, wanted: TableFilter) -> None:
        self._database = recorder.database
        self._scope = recorder.scope
        self._progress = recorder.progress
        self._stored = stored
        self._wanted = wanted
        self._schemas: dict[str, CatalogSchema] = {}
        self._known: tuple[str, Mapping[str, Known]] = ("", {})
        self._pending = Counts()
        self._written_at = time.monotonic()

    async def put_schemas(self, found: SchemaList) -> None:
        """The complete list of schemas: tables of those that are gone are gone as well."""
        self._schemas = await self._read_schemas()
        new = [name for name in found.names if name not in self._schemas]
        for name, schema in self._schemas.items():
            if name not in found.names:
                await self._remove_vanished(schema, frozenset())
        if new:
            async with self._database.write() as session:
                writer = await self._writer(session)
                await writer.put_schemas(self._scope, self._stored.id, new)
            self._schemas = await self._read_schemas()

    async def put_unit(self, unit: Unit) -> None:
        """Compare a unit with what is stored and write what differs."""
        schema = self._schemas[unit.schema]
        known = await self._known_tables(schema)
        changes = await asyncio.to_thread(compare, unit, known)
        self._pending += Counts(
            tables_scanned=len(unit.tables),
            fields_scanned=sum(len(table.fields) for table in unit.tables),
            tables_changed=len(changes.rewrites),
        )
        await self._put_changes(schema, changes, failure_documents(self._stored.name, unit.failures))
        if unit.last:
            await self._close_schema(schema, unit)

    async def close(self) -> None:
        """The scan of the database came to its end."""
        self._pending += Counts(databases_scanned=1)
        async with self._database.write() as session:
            writer = await self._writer(session)
            await writer.close_database(self._scope, self._stored.id)

    async def _put_changes(
        self, schema: CatalogSchema, changes: Changes, failures: Sequence[Failure]
    ) -> None:
        for part in _parts(changes):
            async with self._database.write() as session:
                writer = await self._writer(session, failures)
                await writer.put_changes(self._scope, self._stored, schema, changes=part)
            failures = ()
        unseen = changes.unchanged if not self._wanted.everything else []
        if failures or unseen or time.monotonic() - self._written_at > _PROGRESS_EVERY:
            async with self._database.write() as session:
                writer = await self._writer(session, failures)
                await writer.touch(self._scope, unseen)

    async def _close_schema(self, schema: CatalogSchema, unit: Unit) -> None:
        if unit.listed is None:
            return
        await self._remove_vanished(schema, unit.listed)
        if self._wanted.everything:
            async with self._database.write() as session:
                writer = await self._writer(session)
                await writer.close_schema(self._scope, schema.id)

    async def _remove_vanished(self, schema: CatalogSchema, listed: frozenset[str]) -> None:
        gone = vanished(schema.name, await self._known_tables(schema), listed, self._wanted)
        if gone:
            self._pending += Counts(tables_removed=len(gone))
            async with self._database.write() as session:
                writer = await self._writer(session)
                await writer.remove_tables(self._scope, gone)

    async def _writer(self, session: WriteSession, failures: Sequence[Failure] = ()) -> CatalogWriter:
        moment = await self._progress.note(session, self._pending, failures, where=self._stored.name)
        self._pending, self._written_at = Counts(), time.monotonic()
        return CatalogWriter(session, moment)

    async def _read_schemas(self) -> dict[str, CatalogSchema]:
        async with self._database.read() as session:
            return await CatalogState(session).schemas(self._scope, self._stored.id)

    async def _known_tables(self, schema: CatalogSchema) -> Mapping[str, Known]:
        """The stored tables of the schema as they were before this scan; one schema is kept at a time."""
        if self._known[0] != schema.name:
            async with self._database.read() as session:
                self._known = (schema.name, await CatalogState(session).known_tables(self._scope, schema.id))
        return self._known[1]


def _parts(changes: Changes) -> Iterator[Changes]:
    """The changes in parts that are small enough for one unit of work each."""
    part: list[Rewrite] = []
    fields = 0
    for rewrite in changes.rewrites:
        part.append(rewrite)
        fields += len(rewrite.table.fields)
        if len(part) >= _TABLES_AT_ONCE or fields >= _FIELDS_AT_ONCE:
            yield Changes(rewrites=part)
            part, fields = [], 0
    rest = replace(changes, rewrites=part, unchanged=[])
    if not rest.is_empty:
        yield rest


def _failure(database: str, reason: str | None) -> Failure:
    return {"database": database, "schema": None, "table": None, "reason": reason}

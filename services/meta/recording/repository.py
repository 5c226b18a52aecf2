"""The catalog as rows: read in one query for each schema, written in bulk, and only where it changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from services.meta.catalog.models import (
    CatalogDatabase,
    CatalogField,
    CatalogSchema,
    CatalogTable,
    CatalogTableStat,
)
from services.meta.recording import rows
from services.meta.recording.changes import Changes, Failed, Known, Rewrite, Stat
from services.meta.scanners._model import DatabaseInfo
from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert
from shared.identifiers import DatasourceId, uuid7

_KEYS_AT_ONCE: Final = 500
"""Identifiers in one IN list: SQLite allows some thousands of parameters, older ones 999."""


class CatalogState:
    """What is stored, as far as a scan compares with it."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def known_tables(self, scope: TenantScope, schema_id: UUID) -> dict[str, Known]:
        """The tables of a schema by name, removed ones too."""
        table, stat = CatalogTable, CatalogTableStat
        facts = (table.id, table.name, table.content_hash, table.removed_at, table.scan_error)
        volumes = (stat.row_count, stat.data_size_bytes, stat.index_size_bytes, stat.last_scan_at)
        found = await self._session.execute(
            select(*facts, *volumes)
            .outerjoin(stat, stat.table_id == table.id)
            .where(table.tenant_id == scope.tenant_id, table.schema_id == schema_id)
        )
        return {
            row.name: Known(
                table_id=row.id,
                content_hash=row.content_hash,
                is_removed=row.removed_at is not None,
                scan_error=row.scan_error,
                stat=Stat(row.row_count, row.data_size_bytes, row.index_size_bytes),
                last_scan_at=row.last_scan_at,
            )
            for row in found
        }

    async def schemas(self, scope: TenantScope, database_id: UUID) -> dict[str, CatalogSchema]:
        """The schemas of a database by name, with those that vanished since."""
        found = await self._session.scalars(
            select(CatalogSchema).where(
                CatalogSchema.tenant_id == scope.tenant_id, CatalogSchema.database_id == database_id
            )
        )
        return {schema.name: schema for schema in found}

    async def databases(self, scope: TenantScope, datasource_id: DatasourceId) -> list[CatalogDatabase]:
        """The databases of a datasource that are still there, in the order of their names."""
        found = await self._session.scalars(
            select(CatalogDatabase)
            .where(
                CatalogDatabase.tenant_id == scope.tenant_id,
                CatalogDatabase.datasource_id == datasource_id,
                CatalogDatabase.removed_at.is_(None),
            )
            .order_by(CatalogDatabase.name)
        )
        return list(found)


class CatalogWriter(CatalogState):
    """Writes what changed. Each method is part of the caller's unit of work, and bounded by its caller."""

    def __init__(self, session: WriteSession, moment: datetime) -> None:
        super().__init__(session)
        self._moment = moment

    async def put_databases(
        self, scope: TenantScope, datasource_id: DatasourceId, found: Sequence[DatabaseInfo]
    ) -> None:
        """Store a complete list of databases; those that are not in it are marked removed."""
        gone = [
            stored.id
            for stored in await self.databases(scope, datasource_id)
            if stored.name not in {each.name for each in found}
        ]
        await self._upsert(
            CatalogDatabase.__table__,
            [rows.database_row(scope, datasource_id, each, moment=self._moment) for each in found],
            key=("datasource_id", "name"),
            updated=(*rows.DATABASE_FACTS, "updated_at", "removed_at"),
        )
        for table, column in (
            (CatalogDatabase, CatalogDatabase.id),
            (CatalogTable, CatalogTable.database_id),
        ):
            await self._mark(
                update(table).where(
                    table.tenant_id == scope.tenant_id, table.removed_at.is_(None), column.in_(gone)
                )
            )

    async def put_schemas(self, scope: TenantScope, database_id: UUID, names: Sequence[str]) -> None:
        """Make the rows of schemas that are not stored yet."""
        new = [
            {"id": uuid7(), "tenant_id": scope.tenant_id, "database_id": database_id, "name": name}
            for name in names
        ]
        await self._upsert(CatalogSchema.__table__, new, key=("database_id", "name"), updated=())

    async def put_changes(
        self, scope: TenantScope, database: CatalogDatabase, schema: CatalogSchema, *, changes: Changes
    ) -> None:
        """Write the tables and fields that changed, the statistics that moved, and new failures."""
        place = {
            "tenant_id": scope.tenant_id,
            "datasource_id": database.datasource_id,
            "database_id": database.id,
            "schema_id": schema.id,
        }
        await self._put_tables(scope, place, changes.rewrites)
        stats = [rows.stat_row(table_id, stat, self._moment) for table_id, stat in changes.stats]
        await self._put_stats(stats)
        for failed in changes.failures:
            await self._put_failure(scope, failed, seen_at=schema.last_scan_at)

    async def touch(self, scope: TenantScope, table_ids: Sequence[UUID]) -> None:
        """Note that these tables were looked at, where their schema as a whole was not."""
        owned = select(CatalogTable.id).where(CatalogTable.tenant_id == scope.tenant_id)
        for start in range(0, len(table_ids), _KEYS_AT_ONCE):
            await self._session.execute(
                update(CatalogTableStat)
                .where(
                    CatalogTableStat.table_id.in_(table_ids[start : start + _KEYS_AT_ONCE]),
                    CatalogTableStat.table_id.in_(owned),
                )
                .values(last_scan_at=self._moment)
                .execution_options(synchronize_session=False)
            )

    async def remove_tables(self, scope: TenantScope, table_ids: Sequence[UUID]) -> None:
        """Mark tables as removed; their rows and fields stay."""
        for start in range(0, len(table_ids), _KEYS_AT_ONCE):
            await self._mark(
                update(CatalogTable).where(
                    CatalogTable.tenant_id == scope.tenant_id,
                    CatalogTable.id.in_(table_ids[start : start + _KEYS_AT_ONCE]),
                )
            )

    async def close_schema(self, scope: TenantScope, schema_id: UUID) -> None:
        """A schema was read completely."""
        await self._session.execute(
            update(CatalogSchema)
            .where(CatalogSchema.tenant_id == scope.tenant_id, CatalogSchema.id == schema_id)
            .values(last_scan_at=self._moment)
            .execution_options(synchronize_session=False)
        )

    async def close_database(self, scope: TenantScope, database_id: UUID) -> None:
        """A database was scanned."""
        await self._session.execute(
            update(CatalogDatabase)
            .where(CatalogDatabase.tenant_id == scope.tenant_id, CatalogDatabase.id == database_id)
            .values(is_scanned=True, last_scan_at=self._moment)
            .execution_options(synchronize_session=False)
        )

    async def _put_tables(
        self, scope: TenantScope, place: dict[str, Any], rewrites: Sequence[Rewrite]
    ) -> None:
        if not rewrites:
            return
        identified = [(each, each.table_id or uuid7()) for each in rewrites]
        await self._upsert(
            CatalogTable.__table__,
            [rows.table_row(each, key, place=place, moment=self._moment) for each, key in identified],
            key=("database_id", "schema_name", "name"),
            updated=rows.TABLE_UPDATED,
        )
        stored = [each.table_id for each in rewrites if each.table_id is not None]
        await self._mark(
            update(CatalogField).where(
                CatalogField.tenant_id == scope.tenant_id,
                CatalogField.table_id.in_(stored),
                CatalogField.removed_at.is_(None),
            )
        )
        fields = [row for each, key in identified for row in rows.field_rows(scope, key, each.table.fields)]
        await self._upsert(
            CatalogField.__table__,
            fields,
            key=("table_id", "name"),
            updated=(*rows.FIELD_FACTS, "removed_at"),
        )
        await self._put_stats(
            [rows.stat_row(key, Stat.of(each.table), self._moment) for each, key in identified]
        )

    async def _put_stats(self, stats: list[rows.Row]) -> None:
        updated = ("row_count", "data_size_bytes", "index_size_bytes", "last_scan_at")
        await self._upsert(CatalogTableStat.__table__, stats, key=("table_id",), updated=updated)

    async def _put_failure(self, scope: TenantScope, failed: Failed, *, seen_at: datetime | None) -> None:
        """The table keeps what is known of it, and the time when that was read."""
        await self._session.execute(
            update(CatalogTable)
            .where(CatalogTable.tenant_id == scope.tenant_id, CatalogTable.id == failed.table_id)
            .values(scan_error=failed.reason, updated_at=self._moment)
            .execution_options(synchronize_session=False)
        )
        times = [time for time in (seen_at, failed.last_scan_at) if time is not None]
        await self._session.execute(
            update(CatalogTableStat)
            .where(CatalogTableStat.table_id == failed.table_id)
            .values(last_scan_at=max(times) if times else None)
            .execution_options(synchronize_session=False)
        )

    async def _mark(self, statement: Any) -> None:
        await self._session.execute(
            statement.values(removed_at=self._moment).execution_options(synchronize_session=False)
        )

    async def _upsert(
        self, table: Any, new: Sequence[rows.Row], *, key: Sequence[str], updated: Sequence[str]
    ) -> None:
        """Insert rows, or update those whose key is there. One prepared statement, many rows."""
        if not new:
            return
        statement = upsert(self._session.dialect, table)
        if updated:
            statement = statement.on_conflict_do_update(
                index_elements=list(key), set_={name: statement.excluded[name] for name in updated}
            )
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(key))
        await self._session.execute(statement, new)

"""Tables and fields of a scan as the plain rows that are stored."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.meta.recording.changes import Rewrite, Stat
from services.meta.scanners._model import DatabaseInfo, FieldInfo
from shared.contracts.identity import TenantScope
from shared.identifiers import DatasourceId, uuid7

Row = dict[str, Any]

DATABASE_FACTS: Final = ("owner", "charset", "collation", "table_count", "total_size_bytes", "is_accessible")
TABLE_FACTS: Final = (
    "type",
    "engine",
    "owner",
    "comment",
    "definition",
    "partition_key",
    "native_id",
    "is_readable",
)
TABLE_UPDATED: Final = (
    *TABLE_FACTS,
    "keys",
    "indexes",
    "constraints",
    "field_count",
    "content_hash",
    "scan_error",
    "removed_at",
    "updated_at",
)
FIELD_FACTS: Final = (
    "position",
    "number",
    "data_type",
    "column_type",
    "is_nullable",
    "column_key",
    "column_default",
    "extra",
    "comment",
    "type_detail",
)


def database_row(
    scope: TenantScope, datasource_id: DatasourceId, found: DatabaseInfo, *, moment: datetime
) -> Row:
    """A new row; its count and size of None mean unknown."""
    return {
        "id": uuid7(),
        "tenant_id": scope.tenant_id,
        "datasource_id": datasource_id,
        "name": found.name,
        "is_scanned": False,
        "created_at": moment,
        "updated_at": moment,
        "removed_at": None,
        **{fact: getattr(found, fact) for fact in DATABASE_FACTS},
    }


def table_row(rewrite: Rewrite, table_id: UUID, *, place: Row, moment: datetime) -> Row:
    """A table's row; `place` says where it belongs: tenant, datasource, database, schema."""
    table = rewrite.table
    return {
        **place,
        "id": table_id,
        "schema_name": table.schema,
        "name": table.name,
        **{fact: getattr(table, fact) for fact in TABLE_FACTS},
        "keys": [asdict(key) for key in table.keys],
        "indexes": [asdict(index) for index in table.indexes],
        "constraints": [asdict(constraint) for constraint in table.constraints],
        "field_count": len(table.fields),
        "content_hash": rewrite.content_hash,
        "scan_error": None,
        "removed_at": None,
        "created_at": moment,
        "updated_at": moment,
    }


def field_rows(scope: TenantScope, table_id: UUID, fields: Sequence[FieldInfo]) -> Iterator[Row]:
    """The rows of a table's fields."""
    for field in fields:
        yield {
            "id": uuid7(),
            "tenant_id": scope.tenant_id,
            "table_id": table_id,
            "name": field.name,
            "removed_at": None,
            **{fact: getattr(field, fact) for fact in FIELD_FACTS},
        }


def stat_row(table_id: UUID, stat: Stat, moment: datetime) -> Row:
    """The row of a table's statistics, looked at now."""
    return {"table_id": table_id, "last_scan_at": moment, **asdict(stat)}

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
    _datasources()
    _syncs()
    _catalog()
    _messages()


def _datasources() -> None:
    op.create_table(
        "datasource",
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("resource_type", sa.String(length=40), nullable=False),
        sa.Column("resource_version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_sync_at", UtcDateTime(), nullable=True),
        sa.Column("last_scan_at", UtcDateTime(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("resource_id"),
    )
    op.create_index("ix_datasource_tenant_id", "datasource", ["tenant_id"])


def _syncs() -> None:
    op.create_table(
        "sync_log",
        sa.Column("datasource_id", Uuid(), nullable=False),
        sa.Column("sync_type", sa.String(length=8), nullable=False),
        sa.Column("sync_level", sa.String(length=8), nullable=False),
        sa.Column("target", Json(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("active_key", sa.String(length=36), nullable=True),
        sa.Column("requested_by", Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("lease_owner", Uuid(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("announced_at", UtcDateTime(), nullable=False),
        sa.Column("cancel_requested_at", UtcDateTime(), nullable=True),
        sa.Column("event_seq", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("databases_scanned", sa.Integer(), nullable=False),
        sa.Column("tables_scanned", sa.Integer(), nullable=False),
        sa.Column("fields_scanned", sa.Integer(), nullable=False),
        sa.Column("tables_changed", sa.Integer(), nullable=False),
        sa.Column("tables_removed", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("failures", Json(), nullable=False),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["datasource_id"], ["datasource.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("active_key"),
        sa.UniqueConstraint("tenant_id", "idempotency_key"),
    )
    op.create_index("ix_sync_log_datasource_id", "sync_log", ["datasource_id"])
    op.create_index("ix_sync_log_status_lease_until", "sync_log", ["status", "lease_until"])
    op.create_index("ix_sync_log_tenant_id", "sync_log", ["tenant_id"])
    op.create_table(
        "sync_event",
        sa.Column("sync_log_id", Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("data", Json(), nullable=False),
        sa.ForeignKeyConstraint(["sync_log_id"], ["sync_log.id"]),
        sa.PrimaryKeyConstraint("sync_log_id", "seq"),
    )


def _catalog() -> None:
    op.create_table(
        "catalog_database",
        sa.Column("datasource_id", Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("charset", sa.Text(), nullable=True),
        sa.Column(sa.quoted_name("collation", quote=True), sa.Text(), nullable=True),
        sa.Column("table_count", sa.BigInteger(), nullable=True),
        sa.Column("total_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("is_accessible", sa.Boolean(), nullable=False),
        sa.Column("is_scanned", sa.Boolean(), nullable=False),
        sa.Column("last_scan_at", UtcDateTime(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["datasource_id"], ["datasource.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("datasource_id", "name"),
    )
    op.create_index("ix_catalog_database_tenant_id", "catalog_database", ["tenant_id"])
    op.create_table(
        "catalog_schema",
        sa.Column("database_id", Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_scan_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["database_id"], ["catalog_database.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("database_id", "name"),
    )
    op.create_index("ix_catalog_schema_tenant_id", "catalog_schema", ["tenant_id"])
    op.create_table(
        "catalog_table",
        sa.Column("datasource_id", Uuid(), nullable=False),
        sa.Column("database_id", Uuid(), nullable=False),
        sa.Column("schema_id", Uuid(), nullable=False),
        sa.Column("schema_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("partition_key", sa.Text(), nullable=True),
        sa.Column("native_id", sa.BigInteger(), nullable=True),
        sa.Column("is_readable", sa.Boolean(), nullable=False),
        sa.Column("keys", Json(), nullable=False),
        sa.Column("indexes", Json(), nullable=False),
        sa.Column("constraints", Json(), nullable=False),
        sa.Column("field_count", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=True),
        sa.Column("scan_error", sa.Text(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["database_id"], ["catalog_database.id"]),
        sa.ForeignKeyConstraint(["datasource_id"], ["datasource.id"]),
        sa.ForeignKeyConstraint(["schema_id"], ["catalog_schema.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("database_id", "schema_name", "name"),
    )
    op.create_index("ix_catalog_table_datasource_id", "catalog_table", ["datasource_id"])
    op.create_index("ix_catalog_table_schema_id", "catalog_table", ["schema_id"])
    op.create_index("ix_catalog_table_tenant_id", "catalog_table", ["tenant_id"])
    op.create_index("ix_catalog_table_tenant_id_name", "catalog_table", ["tenant_id", "name"])
    op.create_table(
        "catalog_table_stat",
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("data_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("index_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("last_scan_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["table_id"], ["catalog_table.id"]),
        sa.PrimaryKeyConstraint("table_id"),
    )
    op.create_table(
        "catalog_field",
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("data_type", sa.Text(), nullable=False),
        sa.Column("column_type", sa.Text(), nullable=False),
        sa.Column("is_nullable", sa.Boolean(), nullable=False),
        sa.Column("column_key", sa.String(length=3), nullable=True),
        sa.Column("column_default", sa.Text(), nullable=True),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("type_detail", Json(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["table_id"], ["catalog_table.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("table_id", "name"),
    )
    op.create_index("ix_catalog_field_tenant_id", "catalog_field", ["tenant_id"])
    op.create_index("ix_catalog_field_tenant_id_name", "catalog_field", ["tenant_id", "name"])


def _messages() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("exchange", sa.String(length=120), nullable=False),
        sa.Column("routing_key", sa.String(length=255), nullable=False),
        sa.Column("mandatory", sa.Boolean(), nullable=False),
        sa.Column("type", sa.String(length=120), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=True),
        sa.Column("traceparent", sa.String(length=64), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("available_at", UtcDateTime(), nullable=False),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_outbox_available_at", "outbox", ["available_at"])

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
    _messages()
    _files()
    _categories()
    _data_tables()
    _table_revisions()
    _tasks()
    _runs()
    _attempts()
    _rejects()
    _runners()


def _messages() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("exchange", sa.String(120), nullable=False),
        sa.Column("routing_key", sa.String(255), nullable=False),
        sa.Column("mandatory", sa.Boolean(), nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=True),
        sa.Column("traceparent", sa.String(64), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("available_at", UtcDateTime(), nullable=False),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_outbox_available_at", "outbox", ["available_at"])


def _files() -> None:
    op.create_table(
        "uploaded_file",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_uploaded_file_tenant_id", "uploaded_file", ["tenant_id"])


def _categories() -> None:
    op.create_table(
        "table_category",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("name_key", sa.String(400), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "name_key"),
    )
    op.create_index("ix_table_category_tenant_id", "table_category", ["tenant_id"])


def _data_tables() -> None:
    op.create_table(
        "data_table",
        sa.Column("category_id", Uuid(), nullable=True),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("resource_type", sa.String(40), nullable=False),
        sa.Column("schema_name", sa.String(255), nullable=True),
        sa.Column("physical_name", sa.String(255), nullable=False),
        sa.Column("location_key", sa.String(2000), nullable=False),
        sa.Column("definition", Json(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("published_revision", sa.Integer(), nullable=True),
        sa.Column("published_physical", Json(), nullable=True),
        sa.Column("last_published_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["table_category.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "resource_id", "location_key"),
    )
    op.create_index("ix_data_table_category_id", "data_table", ["category_id"])
    op.create_index("ix_data_table_resource_id", "data_table", ["resource_id"])
    op.create_index("ix_data_table_tenant_id", "data_table", ["tenant_id"])


def _table_revisions() -> None:
    op.create_table(
        "data_table_revision",
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("definition", Json(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Uuid(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["table_id"], ["data_table.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("table_id", "revision"),
    )


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(700), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("pipeline", Json(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("file_id", Uuid(), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "name_key"),
    )
    op.create_index("ix_task_file_id", "task", ["file_id"])
    op.create_index("ix_task_table_id", "task", ["table_id"])
    op.create_index("ix_task_tenant_id", "task", ["tenant_id"])
    op.create_table(
        "task_revision",
        sa.Column("task_id", Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("pipeline", Json(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"]),
        sa.PrimaryKeyConstraint("task_id", "revision"),
    )


def _runs() -> None:
    op.create_table(
        "run",
        sa.Column("task_id", Uuid(), nullable=False),
        sa.Column("task_revision", sa.Integer(), nullable=False),
        sa.Column("task_name", sa.String(200), nullable=False),
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("table_key", sa.String(300), nullable=False),
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("exclusive_key", sa.String(300), nullable=False),
        sa.Column("active_key", sa.String(300), nullable=True),
        sa.Column("requested_by", Uuid(), nullable=False),
        sa.Column("replay_of", Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_seq", sa.Integer(), nullable=False),
        sa.Column("event_seq", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("charged", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", Uuid(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("available_at", UtcDateTime(), nullable=False),
        sa.Column("announced_at", UtcDateTime(), nullable=True),
        sa.Column("cancel_requested_at", UtcDateTime(), nullable=True),
        sa.Column("deadline_at", UtcDateTime(), nullable=True),
        sa.Column("progress", Json(), nullable=True),
        sa.Column("counts", Json(), nullable=True),
        sa.Column("reject_counts", Json(), nullable=True),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("problem", Json(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("active_key"),
        sa.UniqueConstraint("tenant_id", "idempotency_key"),
    )
    op.create_index("ix_run_exclusive_key_state", "run", ["exclusive_key", "state"])
    op.create_index("ix_run_lease_until", "run", ["lease_until"])
    op.create_index("ix_run_state_available_at", "run", ["state", "available_at"])
    op.create_index("ix_run_table_id", "run", ["table_id"])
    op.create_index("ix_run_task_id", "run", ["task_id"])
    op.create_index("ix_run_tenant_id", "run", ["tenant_id"])


def _attempts() -> None:
    op.create_table(
        "run_attempt",
        sa.Column("run_id", Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", Uuid(), nullable=False),
        sa.Column("backend", sa.Integer(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("problem", Json(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("run_id", "attempt"),
        sa.UniqueConstraint("fence"),
    )
    op.create_table(
        "run_event",
        sa.Column("run_id", Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("data", Json(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("run_id", "seq"),
    )


def _rejects() -> None:
    op.create_table(
        "run_reject",
        sa.Column("run_id", Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("step", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("run_id", "attempt", "seq"),
    )


def _runners() -> None:
    op.create_table(
        "run_worker",
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("place", sa.String(255), nullable=True),
        sa.Column("process", sa.String(120), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.Column("id", Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_run_worker_place", "run_worker", ["place"])
    op.create_table(
        "fence_counter",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )

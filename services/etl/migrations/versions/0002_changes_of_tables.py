import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime, Uuid

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _data_tables()
    _table_revisions()
    _changes()
    _turns()
    op.add_column("run", sa.Column("warnings", Json(), nullable=False, server_default="[]"))


def _data_tables() -> None:
    with op.batch_alter_table("data_table") as tables:
        tables.add_column(sa.Column("published_name", sa.String(255), nullable=True))
        tables.add_column(sa.Column("tags", Json(), nullable=False, server_default="[]"))
        tables.add_column(sa.Column("finding", Json(), nullable=True))
        tables.add_column(sa.Column("inspected_at", UtcDateTime(), nullable=True))
        tables.add_column(sa.Column("changing_id", Uuid(), nullable=True))
        tables.add_column(sa.Column("changing_until", UtcDateTime(), nullable=True))
        tables.drop_column("published_physical")
    op.execute("UPDATE data_table SET published_name = physical_name WHERE published_revision IS NOT NULL")


def _table_revisions() -> None:
    """So far a published table stayed where it was, so its revisions lie where it does."""
    for column in (
        sa.Column("schema_name", sa.String(255), nullable=True),
        sa.Column("physical_name", sa.String(255), nullable=True),
        sa.Column("begun_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("data_table_revision", column)
    op.execute(
        "UPDATE data_table_revision SET"
        " schema_name = (SELECT t.schema_name FROM data_table t WHERE t.id = table_id),"
        " physical_name = (SELECT t.physical_name FROM data_table t WHERE t.id = table_id)"
    )
    op.execute("UPDATE data_table_revision SET begun_at = created_at")
    with op.batch_alter_table("data_table_revision") as revisions:
        revisions.alter_column("physical_name", existing_type=sa.String(255), nullable=False)


def _changes() -> None:
    op.create_table(
        "data_table_change",
        sa.Column("table_id", Uuid(), nullable=False),
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("table_name", sa.String(600), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("by", Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("statements", Json(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("problem", Json(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("tenant_id", Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_data_table_change_state", "data_table_change", ["state"])
    op.create_index("ix_data_table_change_table_id", "data_table_change", ["table_id"])
    op.create_index("ix_data_table_change_tenant_id", "data_table_change", ["tenant_id"])


def _turns() -> None:
    op.create_table(
        "turn",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )

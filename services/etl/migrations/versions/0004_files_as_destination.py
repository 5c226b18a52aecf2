import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, Uuid

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A task may write a file instead of a data table: then it has no table, and in no bucket no resource."""
    with op.batch_alter_table("task") as tasks:
        tasks.alter_column("table_id", existing_type=Uuid(), nullable=True)
    with op.batch_alter_table("run") as runs:
        runs.alter_column("table_id", existing_type=Uuid(), nullable=True)
        runs.alter_column("resource_id", existing_type=Uuid(), nullable=True)
        runs.add_column(sa.Column("file", Json(), nullable=True))

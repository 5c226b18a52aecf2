import sqlalchemy as sa
from alembic import op

from shared.db.types import Json

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("run", sa.Column("parameters", Json(), nullable=False, server_default="{}"))
    op.add_column("run", sa.Column("rejects", Json(), nullable=True))
    # Rejected rows lie in the store of files from now on: see services.etl.runs.rejected.store.
    op.drop_table("run_reject")

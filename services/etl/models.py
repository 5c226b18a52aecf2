"""What the ETL service's tables stand on."""

from shared.db.base import Model, new_metadata
from shared.db.outbox import outbox_table


class Base(Model):
    """The parent of the ETL service's models."""

    metadata = new_metadata()


OutboxMessage = outbox_table(Base, source="/penstock/etl")

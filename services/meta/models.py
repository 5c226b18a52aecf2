"""What Meta's tables stand on. Each feature has its own models; migrations/env.py knows them all."""

from shared.db.base import Model, new_metadata
from shared.db.outbox import outbox_table


class Base(Model):
    """The parent of Meta's models."""

    metadata = new_metadata()


OutboxMessage = outbox_table(Base, source="/penstock/meta")

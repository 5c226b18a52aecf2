from shared.db import base, outbox


class Base(base.Model):
    """The parent of System's tables."""

    metadata = base.new_metadata()


OutboxMessage = outbox.outbox_table(Base, source="/penstock/system")

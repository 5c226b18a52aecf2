from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.meta.models import Base
from shared.db.base import Identified, Tenanted, Timestamps
from shared.identifiers import ResourceId


class Datasource(Identified, Tenanted, Timestamps, Base):
    """A resource of System as the catalog knows it; `resource_version` is the newest change seen.

    `removed_at` is set once the resource was deleted. The row stays, so that a late message about the
    resource can't bring it back.
    """

    __tablename__ = "datasource"

    resource_id: Mapped[ResourceId] = mapped_column(unique=True)
    resource_type: Mapped[str] = mapped_column(String(40))
    resource_version: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    last_sync_at: Mapped[datetime | None]
    last_scan_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

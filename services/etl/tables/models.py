from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.etl.models import Base
from shared.db.base import Identified, Tenanted, Timestamps, Versioned
from shared.identifiers import ResourceId

from .definition import Location, TableDefinition
from .states import State


class TableCategory(Identified, Tenanted, Timestamps, Versioned, Base):
    """A folder that people sort their data tables into."""

    __tablename__ = "table_category"
    __table_args__ = (UniqueConstraint("tenant_id", "name_key"),)

    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(String(400))
    description: Mapped[str] = mapped_column(Text)


class DataTable(Identified, Tenanted, Timestamps, Versioned, Base):
    """The configuration of a data table and what is known of its physical table.

    `revision` counts the definitions; `published_revision` is the one that the physical table came from,
    and `published_physical` how it looked right after that.
    """

    __tablename__ = "data_table"
    __table_args__ = (UniqueConstraint("tenant_id", "resource_id", "location_key"),)

    category_id: Mapped[UUID | None] = mapped_column(ForeignKey("table_category.id"), index=True)
    display_name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    resource_id: Mapped[ResourceId] = mapped_column(index=True)
    resource_type: Mapped[str] = mapped_column(String(40))
    schema_name: Mapped[str | None] = mapped_column(String(255))
    physical_name: Mapped[str] = mapped_column(String(255))
    location_key: Mapped[str] = mapped_column(String(2000))
    definition: Mapped[dict[str, Any]]
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    published_revision: Mapped[int | None]
    published_physical: Mapped[dict[str, Any] | None]
    last_published_at: Mapped[datetime | None]

    @property
    def location(self) -> Location:
        """Where the physical table lies, or will lie."""
        return Location(self.schema_name, self.physical_name)

    @property
    def standing(self) -> State:
        """The state as a member of the state machine."""
        return State(self.state)

    @property
    def wanted(self) -> TableDefinition:
        """The definition as it is configured now."""
        return TableDefinition.model_validate(self.definition)


class DataTableRevision(Base):
    """A definition that was published, or whose publish has begun: `published_at` says which."""

    __tablename__ = "data_table_revision"

    table_id: Mapped[UUID] = mapped_column(ForeignKey("data_table.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID]
    published_at: Mapped[datetime | None]

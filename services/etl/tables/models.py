from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.etl.models import Base
from shared.db.base import Identified, Tenanted, Timestamps, Versioned
from shared.identifiers import DataTableId, ResourceId

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
    `published_name` its name since then. `finding` is what the last look at the target has shown that isn't
    as it should be. While `changing_until` lies in the future (by the database's clock), the change
    `changing_id` holds the table and no run may write it.
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
    published_name: Mapped[str | None] = mapped_column(String(255))
    last_published_at: Mapped[datetime | None]
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    finding: Mapped[dict[str, Any] | None]
    inspected_at: Mapped[datetime | None]
    changing_id: Mapped[UUID | None]
    changing_until: Mapped[datetime | None]

    @property
    def location(self) -> Location:
        """Where the physical table lies, or will lie."""
        return Location(self.schema_name, self.physical_name)

    @property
    def standing(self) -> State:
        """The state as a member of the state machine."""
        return State(self.state)

    def is_held(self, moment: datetime) -> bool:
        """Whether a change holds the table at this moment."""
        return self.changing_until is not None and self.changing_until > moment

    @property
    def wanted(self) -> TableDefinition:
        """The definition as it is configured now."""
        return TableDefinition.model_validate(self.definition)


class DataTableRevision(Base):
    """A definition and its place, as an edit has left them.

    `begun_at`: the last publish of it began then; `published_at`: it was published then.
    """

    __tablename__ = "data_table_revision"

    table_id: Mapped[UUID] = mapped_column(ForeignKey("data_table.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    schema_name: Mapped[str | None] = mapped_column(String(255))
    physical_name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    created_by: Mapped[UUID]
    begun_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]

    @property
    def location(self) -> Location:
        """Where the physical table lies that it describes."""
        return Location(self.schema_name, self.physical_name)

    @property
    def wanted(self) -> TableDefinition:
        """The definition."""
        return TableDefinition.model_validate(self.definition)


class DataTableChange(Identified, Tenanted, Base):
    """One change of a physical table, or an attempt at it. It stays when the data table goes.

    `statements` are those of the plan with their risks; `step` of `steps` has begun.
    """

    __tablename__ = "data_table_change"

    table_id: Mapped[DataTableId] = mapped_column(index=True)
    resource_id: Mapped[ResourceId]
    table_name: Mapped[str] = mapped_column(String(600))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), index=True)
    by: Mapped[UUID | None]
    revision: Mapped[int | None]
    statements: Mapped[list[Any]] = mapped_column(default=list)
    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    problem: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Turn(Base):
    """Whose turn is over when: what one process at a time does is due again at `due_at`."""

    __tablename__ = "turn"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    due_at: Mapped[datetime]

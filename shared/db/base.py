"""What every service's models stand on.

A service declares its own base, so that its tables are its own:

    class Base(Model):
        metadata = new_metadata()
"""

from datetime import datetime
from typing import Any, ClassVar, NewType
from uuid import UUID

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from shared import clock, identifiers
from shared.db.types import Json, UtcDateTime, Uuid
from shared.identifiers import TenantId, uuid7

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    """Metadata whose constraints and indexes get predictable names, which migrations rely on."""
    return MetaData(naming_convention=_CONVENTION)


class Model(DeclarativeBase):
    """The parent of each service's `Base`; a direct subclass is a base, its subclasses are tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        UUID: Uuid,
        dict[str, Any]: Json,
        list[Any]: Json,
        list[str]: Json,
        **{kind: Uuid for kind in vars(identifiers).values() if isinstance(kind, NewType)},
    }

    def __init_subclass__(cls, **options: Any) -> None:
        if Model in cls.__bases__:
            cls.__abstract__ = True
        super().__init_subclass__(**options)


class Identified:
    """Rows with a UUID version 7 as primary key: sorted by the time they were made."""

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)


class Tenanted:
    """Rows that belong to one tenant."""

    tenant_id: Mapped[TenantId] = mapped_column(Uuid, index=True)


class Timestamps:
    """Rows that know when they were made and last changed."""

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)


class Versioned:
    """Rows with a version that each change through the ORM raises by one, starting at 1.

    Two writers who read the same version can't both succeed: the second gets `VersionOutdated`.
    """

    version: Mapped[int] = mapped_column(nullable=False)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy calls it with the class
        return {"version_id_col": cls.version}

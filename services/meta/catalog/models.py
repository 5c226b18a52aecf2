from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, quoted_name
from sqlalchemy.orm import Mapped, mapped_column

from services.meta.models import Base
from shared.db.base import Identified, Tenanted, Timestamps
from shared.identifiers import DatasourceId


class CatalogDatabase(Identified, Tenanted, Timestamps, Base):
    """One database of a datasource. Counts and sizes are NULL where nobody may look."""

    __tablename__ = "catalog_database"
    __table_args__ = (UniqueConstraint("datasource_id", "name"),)

    datasource_id: Mapped[DatasourceId] = mapped_column(ForeignKey("datasource.id"))
    name: Mapped[str] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    charset: Mapped[str | None] = mapped_column(Text)
    # A reserved word of PostgreSQL that SQLAlchemy doesn't quote by itself.
    collation: Mapped[str | None] = mapped_column(quoted_name("collation", quote=True), Text)
    table_count: Mapped[int | None] = mapped_column(BigInteger)
    total_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    is_accessible: Mapped[bool]
    is_scanned: Mapped[bool] = mapped_column(default=False)
    last_scan_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class CatalogSchema(Identified, Tenanted, Base):
    """One schema of a database: the scope in which a scan is complete or not.

    A complete scan is noted here once, so that an unchanged table costs no write.
    """

    __tablename__ = "catalog_schema"
    __table_args__ = (UniqueConstraint("database_id", "name"),)

    database_id: Mapped[UUID] = mapped_column(ForeignKey("catalog_database.id"))
    name: Mapped[str] = mapped_column(Text)
    last_scan_at: Mapped[datetime | None]


class CatalogTable(Identified, Tenanted, Timestamps, Base):
    """One table or view. `content_hash` is over its structure, without counts and sizes."""

    __tablename__ = "catalog_table"
    __table_args__ = (
        UniqueConstraint("database_id", "schema_name", "name"),
        Index(None, "tenant_id", "name"),
        Index(None, "datasource_id"),
    )

    datasource_id: Mapped[DatasourceId] = mapped_column(ForeignKey("datasource.id"))
    database_id: Mapped[UUID] = mapped_column(ForeignKey("catalog_database.id"))
    schema_id: Mapped[UUID] = mapped_column(ForeignKey("catalog_schema.id"), index=True)
    schema_name: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(24))
    engine: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str | None] = mapped_column(Text)
    definition: Mapped[str | None] = mapped_column(Text)
    partition_key: Mapped[str | None] = mapped_column(Text)
    native_id: Mapped[int | None] = mapped_column(BigInteger)
    is_readable: Mapped[bool]
    keys: Mapped[list[Any]]
    indexes: Mapped[list[Any]]
    constraints: Mapped[list[Any]]
    field_count: Mapped[int]
    content_hash: Mapped[str | None] = mapped_column(String(32))
    scan_error: Mapped[str | None] = mapped_column(Text)
    removed_at: Mapped[datetime | None]


class CatalogTableStat(Base):
    """What changes at every scan: kept apart, so that the structure's rows stay untouched.

    `last_scan_at` counts where it is later than the schema's: after a scan of this table alone.
    """

    __tablename__ = "catalog_table_stat"

    table_id: Mapped[UUID] = mapped_column(ForeignKey("catalog_table.id"), primary_key=True)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    data_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    index_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    last_scan_at: Mapped[datetime | None]


class CatalogField(Identified, Tenanted, Base):
    """One column of a table or view; `number` is the server's own, which survives a rename."""

    __tablename__ = "catalog_field"
    __table_args__ = (UniqueConstraint("table_id", "name"), Index(None, "tenant_id", "name"))

    table_id: Mapped[UUID] = mapped_column(ForeignKey("catalog_table.id"))
    name: Mapped[str] = mapped_column(Text)
    # As wide as a cursor's number may be.
    position: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int | None]
    data_type: Mapped[str] = mapped_column(Text)
    column_type: Mapped[str] = mapped_column(Text)
    is_nullable: Mapped[bool]
    column_key: Mapped[str | None] = mapped_column(String(3))
    column_default: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str | None] = mapped_column(Text)
    type_detail: Mapped[dict[str, Any] | None]
    removed_at: Mapped[datetime | None]

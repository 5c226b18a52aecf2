"""A small service to test the database with: its models and its repository."""

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.base import Identified, Model, Tenanted, Timestamps, Versioned, new_metadata
from shared.db.outbox import outbox_table
from shared.db.repository import Repository, WritableRepository
from shared.db.session import Database
from shared.identifiers import RunId


class Base(Model):
    metadata = new_metadata()


OutboxMessage = outbox_table(Base, source="/penstock/shop")


class Article(Identified, Tenanted, Timestamps, Versioned, Base):
    __tablename__ = "article"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    stock: Mapped[int] = mapped_column(default=0)
    details: Mapped[dict[str, Any] | None]
    run_id: Mapped[RunId | None]


class Articles(Repository[Article]):
    model = Article


class WritableArticles(Articles, WritableRepository[Article]):
    """Articles in a unit of work."""


async def create_tables(database: Database) -> None:
    async with database._writing.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

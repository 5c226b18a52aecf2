from sqlalchemy import select

from shared.db.repository import Repository, WritableRepository

from .models import Client


class Clients(Repository[Client]):
    """Service clients; they belong to no tenant."""

    model = Client

    async def named(self, name: str) -> Client | None:
        row: Client | None = await self._session.one_or_none(select(Client).where(Client.name == name))
        return row


class WritableClients(Clients, WritableRepository[Client]):
    """Service clients to change."""

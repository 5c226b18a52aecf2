from uuid import UUID

from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database

from .models import TableCategory
from .repository import Categories, WritableCategories
from .schemas import CategoryInput


class CategoryService:
    """Categories of data tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, scope: TenantScope, given: CategoryInput) -> TableCategory:
        """Make a category. Raises CategoryTaken."""
        async with self._database.write() as session:
            row = TableCategory(tenant_id=scope.tenant_id)
            _fill(row, given)
            return await WritableCategories(session).save(row)

    async def get(self, scope: TenantScope, category_id: UUID) -> TableCategory:
        """One category. Raises CategoryUnknown."""
        async with self._database.read() as session:
            return await Categories(session).get(scope, category_id)

    async def listed(self, scope: TenantScope, *, limit: int, cursor: str | None) -> Page[TableCategory]:
        """Categories in the order in which they were made."""
        async with self._database.read() as session:
            return await Categories(session).listed(scope, limit=limit, cursor=cursor)

    async def replace(
        self, scope: TenantScope, category_id: UUID, given: CategoryInput, *, version: int
    ) -> TableCategory:
        """Change a category. Raises CategoryUnknown, CategoryTaken or VersionOutdated."""
        async with self._database.write() as session:
            categories = WritableCategories(session)
            row = await categories.get(scope, category_id, version=version)
            _fill(row, given)
            return await categories.save(row)

    async def delete(self, scope: TenantScope, category_id: UUID, *, version: int) -> None:
        """Delete an empty category. Raises CategoryUnknown, DataTableInUse or VersionOutdated."""
        async with self._database.write() as session:
            categories = WritableCategories(session)
            row = await categories.get(scope, category_id, version=version)
            await categories.erase(scope, row)


def _fill(row: TableCategory, given: CategoryInput) -> None:
    row.name = given.name.strip()
    row.name_key = row.name.casefold()
    row.description = given.description

"""What every repository needs: find one row of a tenant, list rows page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession, WriteSession
from shared.errors import VersionOutdated
from shared.http.paging import decode_cursor, encode_cursor

M = TypeVar("M")
Key = InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Some rows of a list and the opaque cursor of the rows after them, None at the end."""

    items: Sequence[M]
    next_cursor: str | None


class Repository(Generic[M]):
    """Rows of one model. A subclass names its `model`, which has an `id` and usually a `tenant_id`."""

    model: ClassVar[type[Any]]

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    def of(self, scope: TenantScope) -> Select[Any]:
        """A statement over the tenant's rows, to be narrowed further."""
        return select(self.model).where(self.model.tenant_id == scope.tenant_id)

    async def find(self, scope: TenantScope, key: UUID) -> M | None:
        """The tenant's row with this id, or None; a row of another tenant doesn't exist."""
        row: M | None = await self._session.one_or_none(self.of(scope).where(self.model.id == key))
        return row

    async def page(
        self,
        statement: Select[Any],
        *,
        limit: int,
        cursor: str | None = None,
        key: Key | None = None,
        descending: bool = False,
    ) -> Page[M]:
        """The next `limit` rows of a statement in the order of `key` (never NULL), then of the id.

        Without a key the order is that of the ids, which is the order of creation. The cursor holds the
        last row's position, so rows that come or go meanwhile shift nothing. Raises `InvalidCursor`.
        """
        keys = [self.model.id] if key is None else [key, self.model.id]
        if cursor is not None:
            statement = statement.where(
                _after(
                    keys,
                    decode_cursor(cursor, *(key.type.python_type for key in keys)),
                    descending=descending,
                )
            )
        ordered = statement.order_by(*(column.desc() if descending else column.asc() for column in keys))
        rows = list(await self._session.scalars(ordered.limit(limit + 1)))
        more = len(rows) > limit
        items = rows[:limit]
        return Page(items, _cursor(items[-1], keys) if more and items else None)


class WritableRepository(Repository[M]):
    """A repository over a write session."""

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._writing = session

    async def add(self, row: M) -> M:
        """Insert a row now, so that its constraints are checked here; wrap in `errors.unique_or`."""
        self._writing.add(row)
        await self._writing.flush()
        return row

    async def remove(self, row: M) -> None:
        """Delete a row now."""
        await self._writing.delete(row)
        await self._writing.flush()


def expect_version(row: Any, version: int) -> None:
    """Raise `VersionOutdated` unless the row still has the version that the caller has read."""
    if row.version != version:
        raise VersionOutdated(current=row.version, given=version)


def _after(keys: Sequence[Key], values: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    columns, position = tuple_(*keys), tuple_(*values, types=[key.type for key in keys])
    return columns < position if descending else columns > position


def _cursor(row: Any, keys: Sequence[Key]) -> str:
    return encode_cursor(*(getattr(row, key.key) for key in keys))

"""Repositories see one tenant, and lists are read page by page without gaps or repeats."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.identity import TenantScope
from shared.db.repository import Page, expect_version
from shared.db.session import Database
from shared.errors import InvalidCursor, VersionOutdated
from shared.identifiers import TenantId, uuid7
from tests.integration.shared.shop import Article, Articles, WritableArticles

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def stocked(database: Database, scope: TenantScope) -> Database:
    """Seven articles; two share each moment of creation, so that the id has to decide."""
    async with database.write() as session:
        for number, name in enumerate(NAMES):
            made = START + timedelta(seconds=number // 2)
            await WritableArticles(session).add(
                Article(tenant_id=scope.tenant_id, name=name, stock=number, created_at=made)
            )
        await WritableArticles(session).add(Article(tenant_id=TenantId(uuid7()), name="foreign"))
    return database


async def page(database: Database, scope: TenantScope, limit: int, **options: object) -> Page[Article]:
    async with database.read() as session:
        articles = Articles(session)
        return await articles.page(articles.of(scope), limit=limit, **options)  # type: ignore[arg-type]  # options of a test


async def names(database: Database, scope: TenantScope, limit: int, **options: object) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        part = await page(database, scope, limit, cursor=cursor, **options)
        assert len(part.items) <= limit
        found += [item.name for item in part.items]
        if (cursor := part.next_cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_give_every_row_once_in_the_order_of_creation(
    stocked: Database, scope: TenantScope, limit: int
) -> None:
    assert sorted(await names(stocked, scope, limit)) == NAMES


@pytest.mark.parametrize("key", [Article.created_at, Article.stock, Article.name, Article.tenant_id])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_are_sorted_by_a_key_of_any_kind(
    stocked: Database, scope: TenantScope, key: object, *, descending: bool
) -> None:
    found = await names(stocked, scope, 2, key=key, descending=descending)
    assert sorted(found) == NAMES
    if key in (Article.stock, Article.name):
        assert found == (NAMES[::-1] if descending else NAMES)


async def test_rows_that_come_and_go_meanwhile_shift_nothing(stocked: Database, scope: TenantScope) -> None:
    first = await page(stocked, scope, 3, key=Article.name)
    async with stocked.write() as session:
        gone = await Articles(session).find(scope, first.items[0].id)
        assert gone is not None
        await WritableArticles(session).remove(gone)
        await WritableArticles(session).add(Article(tenant_id=scope.tenant_id, name="aa"))
    second = await page(stocked, scope, 3, key=Article.name, cursor=first.next_cursor)
    assert [item.name for item in second.items] == ["d", "e", "f"]


async def test_the_last_page_has_no_cursor(stocked: Database, scope: TenantScope) -> None:
    assert (await page(stocked, scope, 7)).next_cursor is None
    assert (await page(stocked, scope, 6)).next_cursor is not None


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "bm9uZQ", "WzFd", "WyJ4Il0", "W10", "eyJhIjoxfQ", "é", "W251bGxd"]
)
async def test_a_cursor_of_anybody_elses_making_is_invalid(
    stocked: Database, scope: TenantScope, cursor: str
) -> None:
    with pytest.raises(InvalidCursor):
        await page(stocked, scope, 2, cursor=cursor)


async def test_a_row_of_another_tenant_does_not_exist(stocked: Database, scope: TenantScope) -> None:
    [mine] = (await page(stocked, scope, 1)).items
    async with stocked.read() as session:
        articles = Articles(session)
        assert await articles.find(scope, mine.id) is not None
        assert await articles.find(TenantScope(TenantId(uuid7())), mine.id) is None


async def test_versions_are_expected(stocked: Database, scope: TenantScope) -> None:
    [mine] = (await page(stocked, scope, 1)).items
    expect_version(mine, 1)
    with pytest.raises(VersionOutdated, match="version 1 is current, not 3"):
        expect_version(mine, 3)


async def test_each_change_raises_the_version(stocked: Database, scope: TenantScope) -> None:
    async with stocked.write() as session:
        articles = Articles(session)
        [mine] = (await articles.page(articles.of(scope), limit=1)).items
        mine.stock += 1
        await session.flush()
        assert mine.version == 2

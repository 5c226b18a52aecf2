"""Column types and the database's clock mean the same in both dialects."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.db.types import UtcDateTime, utc_now
from shared.identifiers import RunId, uuid7
from tests.integration.shared.shop import Article

MOMENTS = [
    datetime(2026, 11, 22, 23, 59, 59, 999999, UTC),
    datetime(2026, 11, 22, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 1, UTC),
    datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=45))),
]


def article(scope: TenantScope, **values: object) -> Article:
    return Article(tenant_id=scope.tenant_id, **{"name": str(uuid7()), **values})


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_moment_comes_back_in_utc(database: Database, scope: TenantScope, moment: datetime) -> None:
    async with database.write() as session:
        row = article(scope, created_at=moment)
        session.add(row)
    async with database.read() as reading:
        found = await reading.scalar(sa.select(Article.created_at))
    assert found == moment
    assert found.utcoffset() == timedelta(0)


async def test_moments_are_found_and_sorted_as_moments(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        session.add_all(article(scope, created_at=moment) for moment in MOMENTS)
    async with database.read() as reading:
        ordered = list(await reading.scalars(sa.select(Article.created_at).order_by(Article.created_at)))
        late = sa.select(sa.func.count()).where(Article.created_at >= MOMENTS[3])
        assert await reading.scalar(late) == 3
    assert ordered == sorted(MOMENTS)


async def test_a_moment_without_a_zone_is_refused(database: Database, scope: TenantScope) -> None:
    async def store() -> None:
        async with database.write() as session:
            session.add(article(scope, created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - what is tested

    with pytest.raises(StatementError, match="without a zone"):
        await store()


async def test_the_clock_of_the_database_is_near_ours(database: Database) -> None:
    async with database.read() as reading:
        found = await reading.scalar(sa.select(utc_now()))
    assert abs(found - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("offset", [-3600.0, -0.25, 0.5, 30.0, 86400.0 * 400])
async def test_the_clock_is_moved_by_seconds(database: Database, offset: float) -> None:
    async with database.read() as reading:
        row = tuple((await reading.execute(sa.select(utc_now(), utc_now(offset)))).one())
    assert abs((row[1] - row[0]).total_seconds() - offset) < 0.002


async def test_the_clock_moves_by_a_column(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        session.add(article(scope, stock=90))
    async with database.read() as reading:
        moved = await reading.scalar(sa.select(utc_now(sa.cast(Article.stock, sa.Double()))))
    assert timedelta(seconds=80) < moved - datetime.now(UTC) < timedelta(seconds=100)


@pytest.mark.parametrize(("offset", "due"), [(-0.2, True), (60.0, False)])
async def test_stored_clocks_compare_with_the_clock(
    database: Database, scope: TenantScope, offset: float, *, due: bool
) -> None:
    async with database.write() as session:
        session.add(row := article(scope))
        await session.flush()
        await session.execute(sa.update(Article).values(updated_at=utc_now(offset)))
        waiting = sa.select(sa.func.count()).where(Article.id == row.id, Article.updated_at <= utc_now())
        assert await session.scalar(waiting) == due


async def test_python_times_compare_with_the_clock(database: Database, scope: TenantScope) -> None:
    now = datetime.now(UTC)
    async with database.write() as session:
        session.add(article(scope, created_at=now - timedelta(minutes=1), name="past"))
        session.add(article(scope, created_at=now + timedelta(minutes=1), name="future"))
    async with database.read() as reading:
        past = list(await reading.scalars(sa.select(Article.name).where(Article.created_at < utc_now())))
    assert past == ["past"]


async def test_sqlite_keeps_moments_of_both_clocks_in_one_form(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/clock.db")
    ours = sa.literal(datetime.now(UTC), UtcDateTime())
    async with database.read() as reading:
        for moment in (ours, utc_now(), utc_now(-0.5)):
            text = await reading.scalar(sa.select(sa.func.trim(moment)))
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", text)
    await database.close()


async def test_documents_and_identifiers_come_back_as_they_were(
    database: Database, scope: TenantScope
) -> None:
    details = {"text": "Grüße 你好", "big": 2**63, "exact": 0.1, "deep": [{"null": None}], "yes": True}
    run_id = RunId(uuid7())
    async with database.write() as session:
        session.add(article(scope, details=details, run_id=run_id))
    async with database.read() as reading:
        found = await reading.one_or_none(sa.select(Article))
    assert (found.details, found.run_id, found.tenant_id) == (details, run_id, scope.tenant_id)


async def test_no_document_is_null(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        session.add(article(scope, details=None))
    async with database.read() as reading:
        null = sa.select(sa.func.count()).where(Article.details.is_(sa.null()))
        assert await reading.scalar(null) == 1

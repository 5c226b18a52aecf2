from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from services.system.bootstrap import prepare
from services.system.sessions.models import LoginCounter, LoginSession, RefreshToken
from services.system.settings import SystemSettings
from services.system.upkeep import Upkeep
from services.system.users.models import User
from shared.db.session import Database
from shared.identifiers import uuid7

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_what_nobody_can_use_any_more_is_deleted_and_nothing_else(
    settings: SystemSettings, database: Database
) -> None:
    await prepare(settings)
    async with database.write() as session:
        user_id = await session.scalar(sa.select(User.id).limit(1))
        for name, expires in (("old", NOW - timedelta(days=2)), ("new", NOW + timedelta(days=2))):
            family = LoginSession(
                id=uuid7(), user_id=user_id, client_id=name, created_at=NOW, expires_at=expires
            )
            session.add(family)
            await session.flush()
            session.add(RefreshToken(session_id=family.id, fingerprint=name, expires_at=expires))
            session.add(LoginCounter(key=name, failures=1, changed_at=expires - timedelta(days=30)))
    await Upkeep(database, clock=lambda: NOW).once()
    async with database.read() as session:
        assert list(await session.scalars(sa.select(LoginSession.client_id))) == ["new"]
        assert list(await session.scalars(sa.select(RefreshToken.fingerprint))) == ["new"]
        assert list(await session.scalars(sa.select(LoginCounter.key))) == ["new"]

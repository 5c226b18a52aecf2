"""Waiting for a service's own database: until it answers, and until its schema is the one that we need."""

import asyncio
from collections.abc import Callable
from typing import Final

from shared.db import migrations
from shared.db.errors import DatabaseNewer, MigrationMissing
from shared.db.session import Database
from shared.errors import Unavailable
from shared.observe import logs
from shared.process.waiting import Backoff

_BACKOFF: Final = Backoff(first=0.2, longest=3.0)
_log = logs.get(__name__)


async def until_current(
    url: str, service: str, *, migrate: bool, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Return when the database of a service is there, at the newest revision.

    With `migrate` it is upgraded as soon as it answers, else somebody else's upgrade is waited for. There is
    no end to the waiting but a cancellation; `tell` is told for what. Raises DatabaseNewer when a newer
    Penstock has been here, since nothing that we could wait for would help.
    """
    database = Database(url, pool_size=1)
    failures = 0
    try:
        while not await _is_current(database, url, service, migrate=migrate, failures=failures, tell=tell):
            failures += 1
            await asyncio.sleep(_BACKOFF.seconds(failures))
    finally:
        await database.close()
    if failures:
        _log.info("database_reached", database=service)


async def _is_current(
    database: Database, url: str, service: str, *, migrate: bool, failures: int, tell: Callable[[str], None]
) -> bool:
    try:
        await migrations.ensure_current(database, url, service, migrate=migrate, patience=0)
    except DatabaseNewer:
        raise
    except MigrationMissing as missing:
        tell("the migration of its database")
        _log.info(
            "waiting_for_migration",
            database=service,
            revision=missing.facts["current"],
            needed=missing.facts["needed"],
            failures=failures + 1,
        )
    except Unavailable as error:
        tell("its database")
        reason = error.facts.get("reason", str(error))
        _log.warning("waiting_for_database", database=service, reason=reason, failures=failures + 1)
    else:
        return True
    return False

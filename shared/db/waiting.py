"""Waiting for a service's own database: until it answers, and until its schema is the one that we need."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shared.db import migrations
from shared.db.errors import DatabaseNewer, MigrationMissing
from shared.db.session import Database
from shared.errors import Unavailable
from shared.observe import logs
from shared.process.waiting import Backoff, Trouble

_BACKOFF: Final = Backoff(first=0.2, longest=3.0)
_log = logs.get(__name__)


async def _nothing() -> None:
    pass


async def until_current(
    url: str,
    service: str,
    *,
    migrate: bool,
    tell: Callable[[str], None] = lambda _: None,
    then: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Return when the database of a service is there, at the newest revision, and `then` was awaited.

    With `migrate` it is upgraded as soon as it answers, else somebody else's upgrade is waited for. There is
    no end to the waiting but a cancellation; `tell` is told for what. When the database goes away again
    during `then`, all of it is begun anew. Raises DatabaseNewer when a newer Penstock has been here, since
    nothing that we could wait for would help.
    """
    database = Database(url, pool_size=1)
    failures, trouble = 0, Trouble()

    async def current() -> None:
        await migrations.ensure_current(database, url, service, migrate=migrate, patience=0)
        await then()

    try:
        while (missing := await _missing(current, service, trouble)) is not None:
            tell(missing)
            failures += 1
            await asyncio.sleep(_BACKOFF.seconds(failures))
    finally:
        await database.close()
    if failures:
        _log.info("database_reached", database=service)


async def _missing(current: Callable[[], Awaitable[None]], service: str, trouble: Trouble) -> str | None:
    """What has to be waited for, which is logged; None when nothing is missing any more."""
    try:
        await current()
    except DatabaseNewer:
        raise
    except MigrationMissing as missing:
        revision, needed = missing.facts["current"], missing.facts["needed"]
        if trouble.is_news(str(missing)):
            _log.info(
                "waiting_for_migration",
                database=service,
                revision=revision,
                needed=needed,
                failures=trouble.times,
            )
        return "the migration of its database"
    except Unavailable as error:
        reason = error.facts.get("reason", str(error))
        if trouble.is_news(reason):
            _log.warning("waiting_for_database", database=service, reason=reason, failures=trouble.times)
        return "its database"
    return None

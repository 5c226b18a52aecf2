"""The throttle at work: counters in the database around every attempt with a secret that can be guessed."""

import math

from services.system.audit.repository import Act, Actor, AuditLog
from shared import clock as clocks
from shared.db.session import Database, WriteSession
from shared.errors import Throttled

from . import throttle
from .repository import Counters, WritableCounters


class Guarding:
    """Lets attempts through, or makes them wait; the counters survive a restart."""

    def __init__(self, database: Database, *, clock: clocks.Clock = clocks.now) -> None:
        self._database = database
        self._clock = clock

    async def admit(self, attempt: throttle.Attempt) -> None:
        """Raises Throttled while this attempt has to wait."""
        async with self._database.read() as session:
            counters = await Counters(session).of(attempt)
        wait = throttle.wait_for(counters, self._clock())
        if wait:
            raise Throttled(retry_after=math.ceil(wait.total_seconds()))

    async def failed(self, attempt: throttle.Attempt, actor: Actor, act: Act) -> None:
        """Count a failure and write it down."""
        now = self._clock()
        async with self._database.write() as session:
            counters = WritableCounters(session)
            before = await counters.lock(attempt, now)
            after = {scope: throttle.failed(scope, counter, now) for scope, counter in before.items()}
            await counters.save(attempt, after, now)
            AuditLog(session).record(actor, act)

    async def succeeded(self, session: WriteSession, attempt: throttle.Attempt) -> None:
        """Forget the failures of the account, as part of what the success leads to."""
        now = self._clock()
        counters = WritableCounters(session)
        before = await counters.lock(attempt, now)
        after = {scope: throttle.succeeded(scope, counter, now) for scope, counter in before.items()}
        await counters.save(attempt, after, now)

"""How news of resources arrive: as messages, and by asking System now and then for what was missed."""

import asyncio

from pydantic import ValidationError

from services.meta.clients import SystemClient
from services.meta.datasources.tracking import Tracking, is_news
from shared.bus.consumer import Consumer, DeadLetter, Decision, Done, TryAgain
from shared.bus.port import Bus
from shared.bus.topology import RESOURCE_QUEUE
from shared.contracts.connection import ResourceSummary
from shared.contracts.envelope import Envelope
from shared.contracts.messages import ResourceChanged
from shared.db.errors import AlreadyExists
from shared.errors import PenstockError
from shared.observe import logs
from shared.process.waiting import Backoff, until

_log = logs.get(__name__)


class ResourceConsumer:
    """Background: applies `ResourceChanged` messages, in whatever order and number they come."""

    def __init__(self, bus: Bus, tracking: Tracking) -> None:
        self._bus = bus
        self._tracking = tracking

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set."""
        await Consumer(self._bus, RESOURCE_QUEUE, self.handle).run(stop)

    async def handle(self, envelope: Envelope) -> Decision:
        """Apply one message."""
        if envelope.type != ResourceChanged.type:
            return Done()
        try:
            news = ResourceChanged.model_validate(envelope.data)
        except ValidationError:
            return DeadLetter("not a change of a resource")
        summary = ResourceSummary(
            resource_id=news.resource_id,
            tenant_id=news.tenant_id,
            resource_type=news.resource_type,
            name=news.name,
            version=news.version,
            deleted=news.change == "deleted",
        )
        try:
            await self._tracking.apply(summary)
        except AlreadyExists:
            return TryAgain("another process has just made this datasource")
        return Done()


class ResourcePoll:
    """Background: compares System's resources with our datasources, at the start and every `every` seconds.

    A message that was lost is made up for here.
    """

    def __init__(self, system: SystemClient, tracking: Tracking, *, every: float = 30.0) -> None:
        self._system = system
        self._tracking = tracking
        self._every = every
        self._backoff = Backoff(first=min(0.5, every), longest=every)

    async def run(self, stop: asyncio.Event) -> None:
        """Compare until `stop` is set; sooner again while System can't be asked."""
        failures = 0
        while not stop.is_set():
            try:
                await self.poll()
                failures = 0
            except PenstockError as error:
                failures += 1
                _log.warning("resources_not_compared", reason=str(error), failures=failures)
            pause = self._backoff.seconds(failures) if failures else self._every
            await until(asyncio.sleep(pause), stop)

    async def poll(self) -> int:
        """Compare once; how many resources had news."""
        known = await self._tracking.known()
        healed = 0
        async for summary in self._system.resources():
            if is_news(summary, known.get(summary.resource_id)):
                healed += await self._tracking.apply(summary)
        return healed

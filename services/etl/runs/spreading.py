"""Hints between processes: what one commits, the others look for at once."""

import asyncio
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from shared.bus.port import Bus, BusError, Hearing
from shared.bus.topology import CONTROL, HINTS
from shared.contracts.envelope import Envelope
from shared.contracts.messages import RunsHinted
from shared.identifiers import RunId, uuid7
from shared.observe import logs
from shared.process.waiting import Backoff, until

from .hints import RunHints

_MOST: Final = 500
"""Runs of each kind in one message, which stays below its limit of 64 KiB."""

_SECONDS: Final = 2.0
_BACKOFF: Final = Backoff(first=0.5, longest=15.0)
_log = logs.get(__name__)


class Spreading:
    """A background that passes the hints of this process on to the others, and theirs on to this one.

    Hints that come while one is sent are sent together. What can't be sent is forgotten: the others look
    into the database by themselves, only later.
    """

    def __init__(self, bus: Bus, hints: RunHints) -> None:
        self._bus = bus
        self._hints = hints
        self._sender = uuid7()
        self._news: set[UUID] = set()
        self._cancels: set[UUID] = set()
        self._said = asyncio.Event()
        hints.news.spread = self._note_news
        hints.cancels.spread = self._note_cancel

    async def run(self, stop: asyncio.Event) -> None:
        """Speak and listen until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._speak(stop))
            group.create_task(self._listen(stop))

    def _note_news(self, run_id: UUID) -> None:
        self._news.add(run_id)
        self._said.set()

    def _note_cancel(self, run_id: UUID) -> None:
        self._cancels.add(run_id)
        self._said.set()

    async def _speak(self, stop: asyncio.Event) -> None:
        failures = 0
        while await until(self._said.wait(), stop):
            self._said.clear()
            try:
                for hint in self._taken():
                    await self._publish(hint)
                failures = 0
            except BusError as error:
                failures += 1
                _log.debug("hints_not_sent", reason=str(error))
                await until(asyncio.sleep(_BACKOFF.seconds(failures)), stop)

    def _taken(self) -> Iterator[RunsHinted]:
        """What was noted, in messages that are small enough."""
        news, cancels = sorted(self._news), sorted(self._cancels)
        self._news, self._cancels = set(), set()
        for start in range(0, max(len(news), len(cancels)), _MOST):
            part = slice(start, start + _MOST)
            yield RunsHinted(
                sender=self._sender,
                news=tuple(map(RunId, news[part])),
                cancels=tuple(map(RunId, cancels[part])),
            )

    async def _publish(self, hint: RunsHinted) -> None:
        envelope = Envelope(
            source="/penstock/etl", type=hint.type, subject="runs", data=hint.model_dump(mode="json")
        )
        await self._bus.publish(
            envelope.model_dump_json().encode(),
            to=HINTS,
            message_id=str(envelope.id),
            message_type=hint.type,
            within=_SECONDS,
        )

    async def _listen(self, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                async with self._bus.overhear(CONTROL) as hearing:
                    failures = 0
                    await until(self._pass_on(hearing), stop)
            except BusError as error:
                failures += 1
                _log.debug("hints_not_heard", reason=str(error))
                await until(asyncio.sleep(_BACKOFF.seconds(failures)), stop)

    async def _pass_on(self, hearing: Hearing) -> None:
        async for body in hearing:
            hint = _read(body)
            if hint is None or hint.sender == self._sender:
                continue
            for run_id in hint.news:
                self._hints.news.heard(run_id)
            for run_id in hint.cancels:
                self._hints.cancels.heard(run_id)


def _read(body: bytes) -> RunsHinted | None:
    """The hint, if it is one that this version can read; nothing depends on the others."""
    try:
        envelope = Envelope.model_validate_json(body)
        return RunsHinted.model_validate(envelope.data) if envelope.type == RunsHinted.type else None
    except ValidationError:
        return None

"""Sessions that ended early."""

import asyncio
from itertools import pairwise
from typing import Any

from shared.http.remote import ServiceUnreachable
from shared.security.revocations import RevocationPoller, Revocations, RevokedSessions
from tests.unit.shared.security.conftest import Time


class System:
    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.down = False
        self.asked = asyncio.Event()

    async def call(self, method: str, path: str, *, returns: Any) -> Any:
        self.asked.set()
        assert (method, path, returns) == ("GET", "/internal/revocations", RevokedSessions)
        if self.down:
            raise ServiceUnreachable(what="System")
        return RevokedSessions(session_ids=self.sessions)


async def test_a_revocation_is_remembered_longer_than_any_token_lives_and_then_forgotten() -> None:
    time = Time()
    revocations = Revocations(clock=time)
    revocations.add(["a"])
    time.passes(minutes=11)
    revocations.add(["b"])
    assert revocations.revoked("a")
    time.passes(minutes=5)
    revocations.add([])
    assert not revocations.revoked("a")
    assert revocations.revoked("b")
    assert len(revocations) == 1


async def test_the_poller_learns_what_system_knows() -> None:
    system, revocations = System(), Revocations()
    poller = RevocationPoller(system, revocations)
    system.sessions = ["a"]
    await poller.poll()
    assert revocations.revoked("a")


async def test_what_is_known_stays_while_system_is_down() -> None:
    system, revocations = System(), Revocations()
    poller = RevocationPoller(system, revocations)
    revocations.add(["a"])
    system.down = True
    await poller.poll()
    await poller.poll()
    assert revocations.revoked("a")
    system.down, system.sessions = False, ["b"]
    await poller.poll()
    assert revocations.revoked("b")


async def test_the_poller_stops_when_it_is_told_to() -> None:
    system, stop = System(), asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(RevocationPoller(system, Revocations(), every=60).run(stop))
        await system.asked.wait()
        stop.set()


async def test_a_system_that_is_down_is_asked_less_often() -> None:
    system, stop, loop = System(), asyncio.Event(), asyncio.get_running_loop()
    system.down, asked = True, []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(RevocationPoller(system, Revocations(), every=0.02).run(stop))
        for _ in range(3):
            await system.asked.wait()
            system.asked.clear()
            asked.append(loop.time())
        stop.set()
    assert all(later - earlier > 0.05 for earlier, later in pairwise(asked))

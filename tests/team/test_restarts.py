"""Every process is restarted while requests and runs go on; a service comes back at another address."""

import time
from dataclasses import dataclass

import pytest

from tests.acceptance.process import wait_for
from tests.acceptance.targets import PostgresTarget
from tests.acceptance.workshop import Workshop, rows
from tests.team import traffic
from tests.team.gateway import Front
from tests.team.processes import Process, Team

pytestmark = pytest.mark.timeout(300)
ROWS = 500
AT_LEAST = 3
UNAVAILABLE = 503
ELSEWHERE = "127.0.0.3"
FOLLOWS_SECONDS = 5.0


@dataclass(frozen=True)
class Absence:
    """From when to when nobody answered for a service."""

    began: float
    ended: float

    def explains(self, failure: traffic.Failure) -> bool:
        return failure.ended >= self.began and failure.began <= self.ended


def test_a_rolling_restart_fails_no_run_and_no_request_but_to_a_service_that_is_away(
    team: Team, workshop: Workshop, target: PostgresTarget
) -> None:
    resource = target.resource(workshop)
    file = workshop.upload("t.csv", rows(ROWS))
    task = workshop.task("t", file, workshop.table("t", resource, key=()), mode="append")
    with traffic.going_on(workshop.caller, [task]) as told:
        absences = {one.name: restarted(one) for one in team.everybody}
    for failure in told.failures:
        assert failure.status in {UNAVAILABLE, traffic.NO_ANSWER}, failure
        assert absences[failure.service].explains(failure), (failure, absences)
    ended = [workshop.finished(run) for run in told.runs]
    assert [run for run in ended if run["state"] != "succeeded"] == []
    assert told.answered > len(team.everybody)
    assert len(ended) >= AT_LEAST
    assert target.count()[0] == ROWS * len(ended)


def test_the_gateway_follows_a_service_to_another_address(
    team: Team, front: Front, workshop: Workshop
) -> None:
    before, path = team.etl.host, traffic.PATHS["etl"]
    try:
        moved(front, team.etl, ELSEWHERE)
        came = time.monotonic()
        wait_for(lambda: workshop.caller.call("GET", path).status == 200, what="an answer from elsewhere")
        assert time.monotonic() - came < FOLLOWS_SECONDS
    finally:
        moved(front, team.etl, before)
        wait_for(lambda: workshop.caller.call("GET", path).status == 200, what="an answer from before")


def restarted(one: Process) -> Absence:
    began = time.monotonic()
    assert one.stop() == 0, one.printed()
    one.start()
    one.opened()
    return Absence(began, time.monotonic())


def moved(front: Front, one: Process, host: str) -> None:
    one.stop()
    one.host = host
    one.start()
    one.opened()
    front.point(one)

"""A runner dies or freezes in the middle of a run: the other one takes over, and each row is there once."""

import time
from typing import Any

import pytest

from services.etl.runner.repository import LEASE_SECONDS
from tests.acceptance.process import wait_for
from tests.acceptance.targets import PostgresTarget
from tests.acceptance.workshop import Workshop, rows
from tests.team.processes import Process, Team

pytestmark = pytest.mark.timeout(300)
ROWS = 300_000
SPARE_SECONDS = 5.0


def test_a_killed_runner_is_replaced_and_each_row_is_there_once(
    team: Team, workshop: Workshop, target: PostgresTarget
) -> None:
    run = started(workshop, target)
    at_work = runner_of(team, run)
    at_work.kill()
    killed = time.monotonic()
    try:
        assert not target.filled()
        taken_over(workshop, run, since=killed)
        loaded_once(workshop, target, run)
    finally:
        at_work.start()
        at_work.opened()


def test_a_frozen_runner_is_replaced_when_its_lease_is_over_and_does_no_harm_when_it_wakes(
    team: Team, workshop: Workshop, target: PostgresTarget
) -> None:
    run = started(workshop, target)
    at_work = runner_of(team, run)
    at_work.freeze()
    frozen = time.monotonic()
    try:
        assert not target.filled()
        taken_over(workshop, run, since=frozen)
        loaded_once(workshop, target, run)
    finally:
        at_work.thaw()
    wait_for(lambda: ended(at_work, run), what="the end of the attempt that was frozen")
    at_work.opened()
    loaded_once(workshop, target, run)


def test_a_runner_that_is_stopped_gives_its_run_back_uncharged(
    team: Team, workshop: Workshop, target: PostgresTarget
) -> None:
    run = started(workshop, target)
    at_work = runner_of(team, run)
    try:
        assert at_work.stop() == 0
        loaded_once(workshop, target, run)
        assert "worker_lost" not in str(workshop.run(run)["attempts"])
    finally:
        at_work.start()
        at_work.opened()


def started(workshop: Workshop, target: PostgresTarget) -> str:
    """A run that is writing into its table right now."""
    table = workshop.table("t", target.resource(workshop))
    run = workshop.start(workshop.task("t", workshop.upload("t.csv", rows(ROWS)), table))
    wait_for(target.written_to, what="a run that writes")
    return run


def runner_of(team: Team, run: str) -> Process:
    """The runner that works on a run."""
    return next(
        runner
        for runner in team.runners
        if any(event["run_id"] == run for event in runner.events("attempt_begun"))
    )


def taken_over(workshop: Workshop, run: str, *, since: float) -> None:
    """Wait for the next attempt; it begins when the lease is over, at the latest."""
    wait_for(lambda: workshop.run(run)["attempt"] == 2, seconds=LEASE_SECONDS + 15, what="a second attempt")
    assert time.monotonic() - since < LEASE_SECONDS + SPARE_SECONDS


def loaded_once(workshop: Workshop, target: PostgresTarget, run: str) -> dict[str, Any]:
    finished = workshop.finished(run)
    assert (finished["state"], finished["counts"]["written"]) == ("succeeded", ROWS), finished
    assert target.count() == (ROWS, ROWS)
    return finished


def ended(runner: Process, run: str) -> bool:
    """Whether the runner has let go of the run."""
    names = {"attempt_ended", "attempt_stopped", "lease_lost", "attempt_abandoned"}
    return any(event["event"] in names and event.get("run_id") == run for event in runner.events())

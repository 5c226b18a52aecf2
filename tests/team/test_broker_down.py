"""The broker is stopped or loses everything: runs are taken all the same, and finish once it is back."""

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.process import ETL, wait_for
from tests.acceptance.targets import PostgresTarget
from tests.acceptance.workshop import Workshop, rows
from tests.servers.postgres import Dsn
from tests.servers.rabbitmq import Broker
from tests.team.conftest import Stage
from tests.team.processes import Process, Team
from tests.team.sources import awaited

pytestmark = pytest.mark.timeout(300)
ROWS = 1_000
BACK: dict[str, Callable[[Broker], Awaitable[None]]] = {"stopped": Broker.start_app, "wiped": Broker.wipe}


@pytest.mark.parametrize("how", BACK)
def test_a_run_is_taken_while_the_broker_is_away_and_finishes_when_it_is_back(
    stage: Stage, workshop: Workshop, target: PostgresTarget, how: str
) -> None:
    table = workshop.table("t", target.resource(workshop))
    task = workshop.task("t", workshop.upload("t.csv", rows(ROWS)), table)
    awaited(stage.broker.stop_app())
    try:
        wait_for(
            lambda: all(away(one) == ["bus"] for one in stage.team.everybody), what="a loss that is told"
        )
        answer = workshop.caller.call("POST", f"{ETL}/tasks/{task}/runs", {})
        assert answer.status == 202, answer
    finally:
        awaited(back(stage.broker, how))
    assert workshop.finished(answer.json["id"])["state"] == "succeeded"
    assert target.count() == (ROWS, ROWS)
    wait_for(lambda: all(away(one) == [] for one in stage.team.everybody), what="a return that is told")
    announced = workshop.start(
        workshop.task("u", workshop.upload("u.csv", rows(ROWS, first=ROWS + 1)), table)
    )
    wait_for(lambda: not outbox(stage.databases["etl"], announced), seconds=5, what="a message that is taken")
    assert workshop.finished(announced)["state"] == "succeeded"
    assert target.count() == (2 * ROWS, 2 * ROWS)


def test_the_loss_of_the_broker_is_a_metric(team: Team, broker: Broker) -> None:
    assert {reachable(one) for one in team.everybody} == {1.0}
    awaited(broker.stop_app())
    try:
        wait_for(lambda: {reachable(one) for one in team.everybody} == {0.0}, what="the metric")
    finally:
        awaited(broker.start_app())
    wait_for(lambda: {reachable(one) for one in team.everybody} == {1.0}, what="the metric")


async def back(broker: Broker, how: str) -> None:
    await BACK[how](broker)


def away(one: Process) -> list[str]:
    """What a process says it does without; it must be ready all the time."""
    answer = one.ask("/health/ready")
    assert answer is not None
    assert answer.status == 200, answer
    missing: list[str] = answer.json["away"]
    return missing


def reachable(one: Process) -> float:
    answer = one.ask("/metrics")
    assert answer is not None
    (line,) = [line for line in answer.body.decode().splitlines() if line.startswith("penstock_reachable{")]
    return float(line.rpartition(" ")[2])


def outbox(database: Dsn, run: str) -> int:
    """The messages about a run that the broker has not taken yet."""
    ((count,),) = awaited(database.fetch("SELECT count(*) FROM outbox WHERE subject = $1", f"run/{run}"))
    return int(count)

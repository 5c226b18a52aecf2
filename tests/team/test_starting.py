"""A team starts in any order: processes before the servers that they need, which come one by one."""

import psutil
import pytest

from tests.team.conftest import Stage
from tests.team.processes import Team

pytestmark = pytest.mark.timeout(300)
IDLE_BYTES = 400 * 1024 * 1024


def test_everybody_is_alive_and_says_what_is_missing_until_it_is_there(stage: Stage) -> None:
    everybody = {one.name for one in stage.team.everybody}
    assert stage.beginning.alive == dict.fromkeys(everybody, 200)
    for said, missing in zip(stage.beginning.stages, ("database", "migration", "bus"), strict=True):
        assert {name for name, words in said.items() if missing in words} == everybody


def test_the_logs_tell_what_was_waited_for(team: Team) -> None:
    for one in team.everybody:
        reasons = {event["reason"] for event in one.events("waiting_for_database")}
        assert "nobody listens at its address" in reasons
        assert one.events("waiting_for_migration")
        assert one.events("waiting_for_broker")
        assert one.events("opened")


def test_two_migrations_at_once_do_no_harm(stage: Stage) -> None:
    assert stage.beginning.migrated == [0, 0]


def test_nothing_is_written_but_uploaded_files(team: Team) -> None:
    assert not (team.folder / "var").exists()
    variables = {name for one in team.everybody for name in one.environment if name.endswith("_FILE")}
    given = {name.removeprefix("PENSTOCK_").removesuffix("_FILE").lower() for name in variables}
    assert {file.name for file in (team.folder / "secrets").iterdir()} == given


def test_no_log_has_a_secret(team: Team) -> None:
    secrets = [file.read_text().strip() for file in (team.folder / "secrets").iterdir()]
    for one in team.everybody:
        printed = one.log.read_text()
        assert not [secret for secret in secrets if secret in printed]


def test_a_team_with_one_runner_is_small(team: Team) -> None:
    idle = {one.name: psutil.Process(one.pid).memory_full_info().pss for one in team.everybody[:4]}
    assert sum(idle.values()) < IDLE_BYTES, idle

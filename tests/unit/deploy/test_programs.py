"""Which processes manage.py looks after, and what it hands to them."""

from pathlib import Path

import pytest

from deploy.supervisor import programs
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.layout import ROOT, Layout

SERVERS = {
    "PENSTOCK_BUS_URL_FILE": "/run/secrets/bus",
    "PENSTOCK_SYSTEM_DATABASE_URL": "postgresql+asyncpg://system@db/system",
    "PENSTOCK_META_DATABASE_URL": "postgresql+asyncpg://meta@db/meta",
    "PENSTOCK_ETL_DATABASE_URL": "postgresql+asyncpg://etl@db/etl",
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(ROOT, tmp_path)


def test_without_settings_there_is_one_process(layout: Layout) -> None:
    (only,) = programs.chosen(layout, {})
    assert only.command[-2:] == ("-m", "services")
    assert only.url is None, "it tells by itself where it listens"


def test_a_broker_makes_it_a_team_of_services_and_runners(layout: Layout) -> None:
    members = programs.chosen(layout, {**SERVERS, "PENSTOCK_RUNNERS": "2"})
    assert [(member.title, member.command[-1], member.url) for member in members] == [
        ("system", "services.system", "http://127.0.0.1:8081"),
        ("meta", "services.meta", "http://127.0.0.1:8082"),
        ("etl", "services.etl", "http://127.0.0.1:8083"),
        ("runner-1", "services.etl.runner", "http://127.0.0.1:8084"),
        ("runner-2", "services.etl.runner", "http://127.0.0.1:8085"),
    ]
    assert len({member.lock for member in members} | {member.log for member in members}) == 10


def test_the_runs_of_a_team_are_not_carried_out_by_its_api(layout: Layout) -> None:
    etl = next(one for one in programs.chosen(layout, SERVERS) if one.title == "etl")
    assert etl.environment["PENSTOCK_RUNNER"] == "false"


def test_a_team_finds_system_where_it_is_started_unless_told_otherwise(layout: Layout) -> None:
    meta = programs.chosen(layout, {**SERVERS, "PENSTOCK_SYSTEM_PORT": "9001"})[1]
    assert meta.environment["PENSTOCK_SYSTEM_URL"] == "http://127.0.0.1:9001"
    elsewhere = programs.chosen(layout, {**SERVERS, "PENSTOCK_SYSTEM_URL": "http://there:1"})[1]
    assert elsewhere.environment.get("PENSTOCK_SYSTEM_URL") != "http://127.0.0.1:8081"


def test_the_etl_service_of_a_team_finds_meta_where_it_is_started_unless_told_otherwise(
    layout: Layout,
) -> None:
    etl = programs.chosen(layout, {**SERVERS, "PENSTOCK_META_PORT": "9002"})[2]
    assert etl.environment["PENSTOCK_META_URL"] == "http://127.0.0.1:9002"
    elsewhere = programs.chosen(layout, {**SERVERS, "PENSTOCK_META_URL": "http://there:2"})[2]
    assert elsewhere.environment.get("PENSTOCK_META_URL") != "http://127.0.0.1:8082"


def test_no_member_of_a_team_may_be_aimed_at_the_servers_of_another(layout: Layout, tmp_path: Path) -> None:
    bus = tmp_path / "bus"
    bus.write_text("amqp://u:p@[2001:db8::1]/\n")
    given = {
        **SERVERS,
        "PENSTOCK_BUS_URL_FILE": str(bus),
        "PENSTOCK_META_DATABASE_URL": "postgresql+asyncpg://meta:p@other:6432/meta",
        "PENSTOCK_OUTBOUND_DENIED_ADDRESSES": "10.0.0.9, ldap",
    }
    for member in programs.chosen(layout, given):
        denied = member.environment["PENSTOCK_OUTBOUND_DENIED_ADDRESSES"]
        assert denied == "10.0.0.9, ldap,[2001:db8::1]:5672,db:5432,other:6432"


def test_denied_addresses_in_a_file_stay_there(layout: Layout) -> None:
    variable = "PENSTOCK_OUTBOUND_DENIED_ADDRESSES"
    for member in programs.chosen(layout, {**SERVERS, f"{variable}_FILE": "/etc/penstock/denied"}):
        assert variable not in member.environment


def test_a_team_without_its_databases_is_refused_by_their_names(layout: Layout) -> None:
    given = {name: value for name, value in SERVERS.items() if "META" not in name}
    with pytest.raises(CommandFailed, match="PENSTOCK_META_DATABASE_URL"):
        programs.chosen(layout, given)


@pytest.mark.parametrize(
    ("name", "value"), [("RUNNERS", "0"), ("RUNNERS", "two"), ("RUNNERS", "65"), ("META_PORT", "70000")]
)
def test_a_bad_number_is_refused_by_its_setting(layout: Layout, name: str, value: str) -> None:
    with pytest.raises(CommandFailed, match=f"PENSTOCK_{name}"):
        programs.chosen(layout, {**SERVERS, f"PENSTOCK_{name}": value})

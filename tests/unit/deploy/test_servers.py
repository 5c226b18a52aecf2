"""What the doctor says of the servers that a team runs against."""

import socket
from pathlib import Path

from deploy.supervisor import servers
from deploy.supervisor.finding import Finding


def finding(**environment: str) -> Finding:
    (found,) = servers.reachable(environment)
    return found


def test_a_server_that_answers_is_ok() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        found = finding(PENSTOCK_BUS_URL=f"amqp://user:hidden@127.0.0.1:{port}/")
    assert (found.verdict, found.check) == ("ok", "bus")
    assert str(port) in found.detail
    assert "hidden" not in found.line()


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    found = finding(PENSTOCK_ETL_DATABASE_URL=f"postgresql+asyncpg://etl:hidden@127.0.0.1:{port}/etl")
    assert (found.verdict, found.check) == ("failed", "etl database")
    assert f"127.0.0.1:{port}" in found.line()
    assert "hidden" not in found.line()


def test_a_setting_that_is_no_address_is_named_and_not_shown() -> None:
    for value in ("hidden", "http://hidden:1/", "amqp://hidden:port/", "amqp:///"):
        found = finding(PENSTOCK_BUS_URL=value)
        assert found.verdict == "failed"
        assert "PENSTOCK_BUS_URL" in found.detail
        assert "hidden" not in found.line()


def test_a_setting_in_a_file_is_read_and_a_missing_file_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = tmp_path / "bus"
        file.write_text(f"amqp://127.0.0.1:{listening.getsockname()[1]}\n")
        file.chmod(0o600)
        assert finding(PENSTOCK_BUS_URL_FILE=str(file)).verdict == "ok"
    assert "PENSTOCK_BUS_URL_FILE" in finding(PENSTOCK_BUS_URL_FILE=str(tmp_path / "none")).detail


def test_a_file_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "bus"
    file.write_text("amqp://user:hidden@127.0.0.1:1/")
    file.chmod(0o640)
    _, found = servers.reachable({"PENSTOCK_BUS_URL_FILE": str(file)})
    assert (found.verdict, found.check, found.hint) == ("warning", "secrets", f"chmod 600 {file}")
    assert "hidden" not in found.line()


def test_an_empty_file_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "bus"
    file.touch(mode=0o600)
    assert finding(PENSTOCK_BUS_URL_FILE=str(file)).detail == "PENSTOCK_BUS_URL is empty"

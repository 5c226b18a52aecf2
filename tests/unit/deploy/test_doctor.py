"""What `manage.py doctor` finds."""

import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from deploy.supervisor import doctor, packages
from deploy.supervisor.finding import Finding
from deploy.supervisor.layout import ROOT, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(ROOT, tmp_path)


@pytest.fixture(autouse=True)
def packages_as_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "differing", lambda *_: [])


def finding(layout: Layout, check: str, **environment: str) -> Finding:
    (found,) = [
        one for one in doctor.examine(layout, {"PENSTOCK_PORT": "0", **environment}) if one.check == check
    ]
    return found


def test_a_fresh_checkout_is_healthy(layout: Layout) -> None:
    verdicts = {found.verdict for found in doctor.examine(layout, {"PENSTOCK_PORT": "0"})}
    assert verdicts <= {"ok", "warning"}


def test_a_secret_that_others_may_read_is_found(layout: Layout) -> None:
    secret = layout.var / "secrets" / "master-keys"
    secret.parent.mkdir()
    secret.write_text("key")
    secret.chmod(0o644)
    assert finding(layout, "secrets").verdict == "failed"
    secret.chmod(0o600)
    assert finding(layout, "secrets").verdict == "ok"


def test_a_damaged_database_is_found(layout: Layout) -> None:
    database = layout.var / "meta.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t (n)")
    connection.commit()
    connection.close()
    database.chmod(0o644)
    assert "others may read" in finding(layout, "meta").detail
    database.chmod(0o600)
    assert finding(layout, "meta").verdict == "ok"
    database.write_bytes(b"not a database at all" * 100)
    assert finding(layout, "meta").verdict == "failed"


def test_a_port_that_another_program_holds_is_found(layout: Layout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = finding(layout, "port", PENSTOCK_PORT=str(other.getsockname()[1]))
    assert (found.verdict, "in use" in found.detail) == ("failed", True)


def test_first_passwords_that_still_lie_there_are_a_warning(layout: Layout) -> None:
    layout.first_passwords.write_text("secret")
    found = finding(layout, "passwords")
    assert found.verdict == "warning"
    assert "secret" not in found.line()


def test_packages_are_compared_by_name_and_version_whatever_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    requirements = tmp_path / "all.txt"
    requirements.write_text(
        "Some_Thing==1.0 \\\n    --hash=sha256:00\n"
        "pytest==0.1 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        f"pytest=={pytest.__version__} ; python_full_version >= '3.12' \\\n    --hash=sha256:00\n"
    )
    assert packages.differing(Path(sys.executable), requirements) == ["some-thing"]


def test_a_relative_data_folder_is_meant_from_the_root() -> None:
    assert Layout.of({"PENSTOCK_VAR": "other/var"}).var == ROOT / "other" / "var"
    assert Layout.of({}).var == ROOT / "var"
    assert Layout.of({"PENSTOCK_VAR": ""}).var == ROOT / "var"
    assert Layout.of({"PENSTOCK_VAR": "~/data"}).var == Path.home() / "data"


def test_a_lost_database_and_lost_master_keys_are_found(layout: Layout) -> None:
    for name in ("system", "etl"):
        sqlite3.connect(layout.var / f"{name}.db").execute("CREATE TABLE t (n)").connection.close()
    (layout.var / "installation.json").write_text("{}")
    assert finding(layout, "databases").verdict == finding(layout, "keys").verdict == "failed"
    assert "meta.db is missing" in finding(layout, "databases").detail


def test_a_port_that_is_no_number_is_said_in_plain_words(layout: Layout) -> None:
    assert finding(layout, "port", PENSTOCK_PORT="abc").detail == "PENSTOCK_PORT is 'abc'"


@pytest.mark.parametrize(("revision", "verdict"), [("0001", "ok"), ("9999", "failed")])
def test_a_schema_of_a_newer_version_is_found(layout: Layout, revision: str, verdict: str) -> None:
    database = layout.var / "meta.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE alembic_version_meta (version_num)")
    connection.execute("INSERT INTO alembic_version_meta VALUES (?)", (revision,))
    connection.commit()
    connection.close()
    database.chmod(0o600)
    assert finding(layout, "meta").verdict == verdict


def test_a_data_folder_that_others_may_look_into_is_a_warning(layout: Layout) -> None:
    layout.var.chmod(0o755)
    assert finding(layout, "data").verdict == "warning"

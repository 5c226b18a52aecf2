"""manage.py looks into databases and data tables beside a running Penstock."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.identifiers import uuid7
from tests.acceptance import process
from tests.acceptance.process import ETL, ROOT, Penstock
from tests.acceptance.workshop import Workshop
from tests.servers import postgres
from tests.servers.private import free_port

SECRET = "a passphrase of a guest"


def manage(var: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=var.parent,
        env=process.environment(var),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def connection(dsn: postgres.Dsn, **changes: Any) -> Mapping[str, Any]:
    found = {"host": dsn.host, "port": dsn.port, "database": dsn.database, "user": dsn.user}
    return {"type": "postgresql", "password": dsn.password, "tls": "disable", **found, **changes}


class TestCheckDbs:
    def test_databases_have_sizes_and_those_that_fail_a_reason(
        self, penstock: Penstock, tenant_two: Workshop, postgres_database: postgres.Dsn
    ) -> None:
        tenant_two.resource("server", connection(postgres_database))
        tenant_two.resource("away", connection(postgres_database, port=free_port()))
        done = manage(penstock.var, "check-dbs", "--tenant", "two", "-o", "json")
        assert done.returncode == 1, done.stderr
        servers = {server["resource"]: server for server in json.loads(done.stdout)}
        assert {"server", "away"} <= set(servers)
        databases = {one["name"]: one for one in servers["server"]["databases"]}
        found = databases[postgres_database.database]
        assert (found["state"], found["tables"]) == ("reachable", 0)
        assert found["bytes"] > 1_000_000
        assert (servers["away"]["state"], servers["away"]["databases"]) == ("failed", [])
        assert "nothing listens" in servers["away"]["reason"]
        assert postgres_database.password not in done.stdout + done.stderr

    def test_people_get_a_table_and_zero_when_all_is_well(
        self, penstock: Penstock, tenant_one: Workshop
    ) -> None:
        tenant_one.resource("kept", {"type": "sqlite", "file": "kept.db", "create": True})
        done = manage(penstock.var, "check-dbs", "--tenant=default", "--resource=kept")
        assert (done.returncode, done.stdout.splitlines()) == (
            0,
            [
                "resource      database  size  tables  state",
                "default/kept  main      0 B   0       reachable",
            ],
        )

    def test_a_database_that_is_closed_to_the_user_is_no_failure(
        self, penstock: Penstock, tenant_two: Workshop, postgres_server: postgres.Dsn
    ) -> None:
        open_one, closed = [asyncio.run(postgres_server.create_database()) for _ in range(2)]
        revoke = f'REVOKE CONNECT ON DATABASE "{closed.database}" FROM PUBLIC'
        asyncio.run(postgres_server.execute(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'", revoke))
        guest = connection(open_one, user="guest", password=SECRET)
        tenant_two.resource("guest", guest)
        done = manage(penstock.var, "check-dbs", "--tenant=two", "--resource=guest", "-o", "json")
        states = {one["name"]: one["state"] for one in json.loads(done.stdout)[0]["databases"]}
        assert (done.returncode, states[open_one.database], states[closed.database]) == (
            0,
            "reachable",
            "closed",
        )
        assert SECRET not in done.stdout

    def test_a_name_that_no_resource_has_is_an_error(self, penstock: Penstock) -> None:
        done = manage(penstock.var, "check-dbs", "--resource=nobody")
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "There is no resource nobody.\n")

    def test_nothing_can_be_asked_while_nothing_runs(self, tmp_path: Path) -> None:
        done = manage(tmp_path / "var", "check-dbs")
        assert (done.returncode, done.stdout) == (3, "")
        assert "is not running" in done.stderr


@dataclass(frozen=True)
class Shelf:
    """A resource of its own with published data tables, and its file as others see it."""

    penstock: Penstock
    workshop: Workshop
    name: str
    resource: str

    def table(self, name: str) -> str:
        return self.workshop.table(name, self.resource)

    def meddle(self, *statements: str) -> None:
        """Change the file behind Penstock's back."""
        with closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def columns(self, table: str) -> list[str]:
        with closing(sqlite3.connect(self._file)) as connection:
            return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]

    def ask(self, *arguments: str, code: int) -> Any:
        """What a command answers to programs."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == code, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def run(self, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return manage(self.penstock.var, command, f"--resource={self.name}", *arguments)

    @property
    def _file(self) -> Path:
        return self.penstock.var / "sqlite" / "default" / f"{self.name}.db"


@pytest.fixture
def shelf(penstock: Penstock, tenant_one: Workshop) -> Shelf:
    name = f"shelf{uuid7().hex[-12:]}"
    made = tenant_one.resource(name, {"type": "sqlite", "file": f"{name}.db", "create": True})
    return Shelf(penstock, tenant_one, name, made)


class TestTables:
    """Few and long: each command starts a program of its own."""

    def test_what_others_changed_is_found_and_made_as_configured(self, shelf: Shelf) -> None:
        for name in ("kept", "gone", "changed"):
            shelf.table(name)
        shelf.meddle('DROP TABLE "gone"', 'ALTER TABLE "changed" ADD COLUMN extra TEXT')
        seen = shelf.run("inspect-tables")
        lines = {line.split()[0].rpartition("/")[2]: line for line in seen.stdout.splitlines()[1:]}
        assert (seen.returncode, lines["kept"].split()[1:]) == (1, ["synced"])
        assert "ghost" in lines["gone"]
        assert "the column 'extra' is new" in lines["changed"]
        ghosts = shelf.workshop.caller.items(f"{ETL}/data-tables?resource_id={shelf.resource}&state=ghost")
        assert {ghost["physical_name"] for ghost in ghosts} == {"gone", "changed"}
        planned = {one["table"]: one for one in shelf.ask("fix-tables", code=1)}
        assert {name: (one["outcome"], one["destructive"]) for name, one in planned.items()} == {
            "gone": ("planned", False),
            "changed": ("planned", True),
        }
        assert (shelf.columns("gone"), shelf.columns("changed")[-1]) == ([], "extra")
        refused = {one["table"]: one["outcome"] for one in shelf.ask("fix-tables", "--yes", code=1)}
        assert refused == {"gone": "repaired", "changed": "unconfirmed"}
        assert shelf.columns("changed")[-1] == "extra"
        done = shelf.run("fix-tables", "--yes", "--confirm=changed")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "  -> done")
        assert shelf.columns("gone") == shelf.columns("changed") == ["id", "name", "amount"]
        assert {one["state"] for one in shelf.ask("inspect-tables", code=0)["tables"]} == {"synced"}

    def test_what_is_there_can_be_adopted_or_let_go(self, shelf: Shelf) -> None:
        goods, costs = shelf.table("goods"), shelf.table("costs")
        shelf.meddle('ALTER TABLE "goods" ADD COLUMN extra TEXT', 'DROP TABLE "costs"')
        (adopted,) = shelf.ask("fix-tables", "--action=adopt", "--yes", f"--table={goods}", code=0)
        assert (adopted["outcome"], adopted["statements"]) == ("repaired", [])
        assert any("'extra'" in difference for difference in adopted["differences"])
        found = shelf.workshop.caller.get(f"{ETL}/data-tables/{goods}")
        assert [column["name"] for column in found["columns"]] == ["id", "name", "amount", "extra"]
        assert [one["table"] for one in shelf.ask("fix-tables", "--action=draft", "--yes", code=0)] == [
            "costs"
        ]
        assert shelf.workshop.caller.get(f"{ETL}/data-tables/{costs}")["state"] == "draft"
        assert shelf.run("fix-tables").stdout == "There is nothing to repair.\n"

    def test_a_table_with_our_mark_that_nobody_knows_is_an_orphan(self, shelf: Shelf) -> None:
        known = shelf.table("known")
        shelf.table("forgotten")
        stranger = f"UPDATE _penstock_tables SET table_id = '{uuid7()}' WHERE table_name = 'forgotten'"
        shelf.meddle(stranger)
        found = shelf.ask("inspect-tables", code=1)
        assert [(one["table"], one["exists"]) for one in found["orphans"]] == [("forgotten", True)]
        assert known in {one["id"] for one in found["tables"]}

    def test_a_name_that_no_data_table_has_is_an_error(self, shelf: Shelf) -> None:
        done = shelf.run("fix-tables", "--table=nobody", "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert "nobody" in done.stderr

"""manage.py looks into databases and data tables beside a running Penstock."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.acceptance import process
from tests.acceptance.process import ROOT, Penstock
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

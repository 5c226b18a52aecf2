"""The main job over HTTP: a file, a data table, a task, a run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.process import ETL, SYSTEM, Caller, Penstock, log_in, wait_for

TERMINAL = {"succeeded", "failed", "cancelled", "timed_out", "dead"}
PASSWORD = "a passphrase for tests"
COLUMNS = (("id", "int64", False), ("name", "text", True), ("amount", "decimal(12,2)", True))
HEADER = ",".join(name for name, _, _ in COLUMNS)


def rows(count: int, *, first: int = 1) -> bytes:
    """A CSV file with so many good rows for COLUMNS."""
    lines = (f"{number},name {number},{number % 1000}.25" for number in range(first, first + count))
    return "\n".join([HEADER, *lines, ""]).encode()


def first_password(var: Path, user: str) -> str:
    """The password of a first user, from the file of the first start."""
    for line in (var / "first-passwords.txt").read_text().splitlines():
        _, _, account = line.partition(": ")
        name, _, password = account.partition(" / ")
        if name == user:
            return password
    raise AssertionError(f"no first password of {user}")


def owner(penstock: Penstock) -> Caller:
    """The owner of the tenant `default`."""
    return penstock.login("owner", first_password(penstock.var, "owner"), "default")


def another_tenant(penstock: Penstock, slug: str) -> Caller:
    """The owner of a new tenant."""
    return new_tenant(penstock.login("admin", first_password(penstock.var, "admin"), None), slug)


def new_tenant(admin: Caller, slug: str) -> Caller:
    """The owner of a tenant that the platform's administrator makes."""
    tenant = admin.post(f"{SYSTEM}/tenants", {"slug": slug, "name": slug})
    user = {"username": "owner", "password": PASSWORD, "roles": ["owner"], "tenant_id": tenant["id"]}
    admin.post(f"{SYSTEM}/users", user)
    return log_in(admin.netloc, "owner", PASSWORD, slug)


@dataclass(frozen=True)
class Workshop:
    """One tenant's work, through its owner."""

    caller: Caller

    def warehouse(self) -> str:
        """The id of the embedded resource."""
        (found,) = [one for one in self.caller.items(f"{SYSTEM}/resources") if one["name"] == "warehouse"]
        return str(found["id"])

    def resource(self, name: str, connection: Mapping[str, Any]) -> str:
        made = self.caller.post(f"{SYSTEM}/resources", {"name": name, "connection": connection})
        return str(made["id"])

    def upload(self, name: str, content: bytes) -> str:
        made = self.caller.post(f"{ETL}/files", {"name": name, "size": len(content)})
        path = f"{ETL}/files/{made['id']}/content"
        headers = {"Content-Type": "application/octet-stream"}
        if not content:
            assert self.caller.send("PUT", path, b"", headers).status == 200
        size = 8 * 1024 * 1024
        for offset in range(0, len(content), size):
            part = content[offset : offset + size]
            answer = self.caller.send("PATCH", path, part, {**headers, "Upload-Offset": str(offset)})
            assert answer.status == 200, answer
        return str(made["id"])

    def draft(self, name: str, resource: str, *, key: Sequence[str] = ("id",)) -> str:
        """A data table that is not published yet."""
        made = self.caller.post(f"{ETL}/data-tables", table(name, resource, key=key))
        return str(made["id"])

    def table(self, name: str, resource: str, *, key: Sequence[str] = ("id",)) -> str:
        """A published data table."""
        made = self.draft(name, resource, key=key)
        self.publish(f"{ETL}/data-tables/{made}")
        return made

    def publish(self, path: str) -> None:
        """Carry out the plan of the data table at this path, which destroys nothing."""
        plan = self.caller.post(f"{path}/plan")
        self.caller.post(f"{path}/publish", {"plan_hash": plan["plan_hash"]})

    def task(self, name: str, file: str, target: str, *, mode: str = "append", **limits: Any) -> str:
        made = self.caller.post(f"{ETL}/tasks", task(name, file, target, mode=mode, **limits))
        return str(made["id"])

    def start(self, task_id: str) -> str:
        return str(self.caller.post(f"{ETL}/tasks/{task_id}/runs", {})["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.caller.get(f"{ETL}/runs/{run_id}")
        return found

    def finished(self, run_id: str, *, seconds: float = 90.0) -> dict[str, Any]:
        """The run when it is over."""

        def over() -> dict[str, Any] | None:
            time.sleep(0.1)
            found = self.run(run_id)
            return found if found["state"] in TERMINAL else None

        return wait_for(over, seconds=seconds, what=f"the end of run {run_id}")


def table(name: str, resource: str, *, key: Sequence[str] = ("id",)) -> dict[str, Any]:
    columns = [{"name": column, "type": kind, "nullable": nullable} for column, kind, nullable in COLUMNS]
    return {
        "display_name": name,
        "resource_id": resource,
        "physical_name": name,
        "columns": columns,
        "primary_key": list(key),
    }


def task(name: str, file: str, target: str, *, mode: str = "append", **limits: Any) -> dict[str, Any]:
    columns = [{"name": column, "type": kind, "nullable": nullable} for column, kind, nullable in COLUMNS]
    return {
        "name": name,
        "source": {"loader": "csv", "params": {"file_id": file, "columns": columns}},
        "steps": [{"step": "database_save", "params": {"table_id": target, "mode": mode}}],
        "limits": limits,
    }

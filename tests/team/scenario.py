"""The story that every deployment must be able to tell, through its front door and nothing else.

Two tenants; a PostgreSQL and a MariaDB with tables, keys and comments; a file with bad rows loaded into a
published data table on each of them, twice; and nothing of it to be seen by the other tenant.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.acceptance.process import ETL, META, SYSTEM, Answer, Caller, wait_for
from tests.acceptance.workshop import Workshop, new_tenant, rows

GOOD, BAD = 2_000, 3
BAD_LINES = b"x1,not a number,1.00\n9000001,too precise,1.005\n,no id,2.00\n"
TEXT, DECIMAL = (
    {"postgresql": "character varying", "mysql": "varchar"},
    {
        "postgresql": "numeric",
        "mysql": "decimal",
    },
)


@dataclass(frozen=True)
class Source:
    """A database server of the tenant: how Penstock reaches it, and how the test looks into it."""

    kind: str
    connection: Mapping[str, Any]
    execute: Callable[[str], None]
    fetch: Callable[[str], list[tuple[Any, ...]]]


@dataclass
class Told:
    """What the story made, by the name of the placeholder in the paths."""

    paths: list[str] = field(default_factory=list)
    resources: dict[str, str] = field(default_factory=dict)


def tell(admin: Caller, sources: list[Source]) -> Told:
    """The whole story; an AssertionError says where it went wrong."""
    alpha, beta = new_tenant(admin, "alpha"), new_tenant(admin, "beta")
    told = Told()
    for source in sources:
        for statement in _TABLES[source.kind]:
            source.execute(statement)
        resource = _connect(alpha, source, told)
        customers = _scanned_right(alpha, source, resource, told)
        _owned_and_changed(Workshop(alpha), source, customers, told)
    file = Workshop(alpha).upload("deliveries.csv", rows(GOOD) + BAD_LINES)
    told.paths.append(f"{ETL}/files/{file}")
    for source in sources:
        _load_twice(Workshop(alpha), source, file, told)
    _hidden(alpha, beta, told)
    return told


_TABLES: Mapping[str, tuple[str, ...]] = {
    "postgresql": (
        "CREATE TABLE customers (id bigint PRIMARY KEY, email varchar(120) NOT NULL UNIQUE, note text)",
        "COMMENT ON TABLE customers IS 'People who buy'",
        "COMMENT ON COLUMN customers.email IS 'Where the bill goes'",
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY,"
            " customer_id bigint NOT NULL REFERENCES customers (id), total numeric(12,2) NOT NULL DEFAULT 0)"
        ),
        "CREATE INDEX orders_of_customer ON orders (customer_id)",
    ),
    "mysql": (
        (
            "CREATE TABLE customers (id bigint PRIMARY KEY, email varchar(120) NOT NULL UNIQUE"
            " COMMENT 'Where the bill goes', note text) COMMENT 'People who buy'"
        ),
        (
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL,"
            " total decimal(12,2) NOT NULL DEFAULT 0, KEY orders_of_customer (customer_id),"
            " FOREIGN KEY (customer_id) REFERENCES customers (id))"
        ),
    ),
}


def _connect(owner: Caller, source: Source, told: Told) -> str:
    """A resource that passes every step of the connection test."""
    resource = Workshop(owner).resource(f"shop {source.kind}", source.connection)
    tested = owner.post(f"{SYSTEM}/resources/{resource}/test", {})
    assert all(step["ok"] for step in tested["steps"]), tested
    told.resources[source.kind] = resource
    told.paths.append(f"{SYSTEM}/resources/{resource}")
    return resource


def _scanned_right(owner: Caller, source: Source, resource: str, told: Told) -> str:
    """The catalog knows the tables with their keys and comments after one scan; the id of one."""
    datasource = wait_for(lambda: _datasource(owner, resource), what="the datasource")
    started = wait_for(lambda: _scan(owner, datasource, source), what="a scan that starts")
    log = f"{META}/sync-logs/{started['id']}"
    done = wait_for(lambda: (found := owner.get(log))["completed_at"] and found, what="the scan's end")
    assert (done["status"], done["failures"]) == ("success", []), done
    of = f"datasource_id={datasource}&name="
    customers = _table(owner, f"{of}customers")
    assert customers["comment"] == "People who buy"
    fields = {one["name"]: one for one in customers["fields"]}
    assert list(fields) == ["id", "email", "note"]
    assert {name: one["column_key"] for name, one in fields.items()} == {
        "id": "PRI",
        "email": "UNI",
        "note": None,
    }
    assert fields["email"]["comment"] == "Where the bill goes"
    assert (fields["email"]["data_type"], fields["email"]["is_nullable"]) == (TEXT[source.kind], False)
    orders = _table(owner, f"{of}orders")
    assert {one["name"]: one["column_key"] for one in orders["fields"]} == {
        "id": "PRI",
        "customer_id": "MUL",
        "total": None,
    }
    assert (
        next(one for one in orders["fields"] if one["name"] == "total")["data_type"] == DECIMAL[source.kind]
    )
    (foreign,) = [one for one in orders["keys"] if one["kind"] == "foreign"]
    assert (foreign["columns"], foreign["referenced_table"], foreign["referenced_columns"]) == (
        ["customer_id"],
        "customers",
        ["id"],
    )
    assert "orders_of_customer" in {one["name"] for one in orders["indexes"]}
    told.paths += [f"{META}/datasources/{datasource}", log, f"{META}/tables/{orders['id']}"]
    return str(customers["id"])


def _owned_and_changed(shop: Workshop, source: Source, table_id: str, told: Told) -> None:
    """A data table like one of the catalog is published; then a column is renamed, with its row kept."""
    origin = {"kind": "catalog", "table_id": table_id}
    resource = told.resources[source.kind]
    body = {"from": origin, "resource_id": resource}
    suggested = shop.caller.post(f"{ETL}/data-tables:suggest", body)["table"]
    made = shop.caller.post(f"{ETL}/data-tables", {**suggested, "physical_name": "people"})
    table = f"{ETL}/data-tables/{made['id']}"
    assert [one["name"] for one in made["columns"]] == ["id", "email", "note"]
    shop.publish(table)
    source.execute("INSERT INTO people (id, email, note) VALUES (1, 'a@example.com', 'kind')")
    columns = [{**one, "name": {"note": "remark"}.get(one["name"], one["name"])} for one in made["columns"]]
    version = shop.caller.get(table)["version"]
    assert shop.caller.call("PATCH", table, {"columns": columns}, If_Match=f'"{version}"').status == 200
    shop.publish(table)
    assert source.fetch("SELECT id, email, remark FROM people") == [(1, "a@example.com", "kind")]
    assert [one["state"] for one in shop.caller.items(f"{table}/history")] == ["done", "done"]
    told.paths += [table, f"{table}/history", f"{table}/revisions"]


def _datasource(owner: Caller, resource: str) -> str | None:
    found = [one for one in owner.items(f"{META}/datasources") if one["resource_id"] == resource]
    return str(found[0]["id"]) if found and found[0]["last_sync_at"] else None


def _scan(owner: Caller, datasource: str, source: Source) -> dict[str, Any] | None:
    """The scan that was started; None while the sync that runs by itself is still at work."""
    wanted = {"databases": [source.connection["database"]]}
    answer = owner.call("POST", f"{META}/datasources/{datasource}/scan", wanted)
    assert answer.status in {202, 409}, answer
    return answer.json if answer.status == 202 else None


def _table(owner: Caller, query: str) -> dict[str, Any]:
    (found,) = owner.items(f"{META}/tables?{query}")
    table: dict[str, Any] = owner.get(f"{META}/tables/{found['id']}")
    return table


def _load_twice(shop: Workshop, source: Source, file: str, told: Told) -> None:
    """A run with its events in order, the input less the rejects in the table; and the same once more."""
    table = shop.table("deliveries", told.resources[source.kind])
    task = shop.task(f"deliveries into {source.kind}", file, table, mode="upsert", max_rejects=BAD)
    first = shop.start(task)
    kinds = [kind for kind, _ in events(shop.caller, f"{ETL}/runs/{first}/events")]
    assert kinds[0] == "queued", kinds
    assert "running" in kinds, kinds
    assert kinds[-1] == "succeeded", (kinds, shop.run(first)["problem"])
    counts = shop.run(first)["counts"]
    assert (counts["read"], counts["inserted"], counts["rejected"]) == (GOOD + BAD, GOOD, BAD)
    assert len(shop.caller.items(f"{ETL}/runs/{first}/rejects")) == BAD
    before = source.fetch(_CONTENT)
    assert before == [
        (number, f"name {number}", Decimal(number % 1000) + Decimal("0.25")) for number in range(1, GOOD + 1)
    ]
    again = shop.finished(shop.start(task))
    assert (again["state"], again["counts"]["unchanged"]) == ("succeeded", GOOD), again
    assert source.fetch(_CONTENT) == before
    told.paths += [f"{ETL}/data-tables/{table}", f"{ETL}/tasks/{task}", f"{ETL}/runs/{first}"]


_CONTENT = "SELECT id, name, amount FROM deliveries ORDER BY id"


def events(caller: Caller, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a stream until it ends; their numbers must rise by one from 1."""
    connection = http.client.HTTPConnection(caller.netloc, timeout=60)
    headers = {"Authorization": f"Bearer {caller.token}", "Accept": "text/event-stream"}
    try:
        connection.request("GET", path, headers=headers)
        stream = connection.getresponse()
        assert stream.status == 200, stream.read()
        expected = 1
        for number, kind, data in _parsed(stream):
            assert number == expected, (number, expected, kind)
            expected += 1
            yield kind, data
    finally:
        connection.close()


def _parsed(stream: http.client.HTTPResponse) -> Iterator[tuple[int, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for raw in stream:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields and "id" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def _hidden(alpha: Caller, beta: Caller, told: Told) -> None:
    """Whatever alpha can read is 404 for beta, and beta's lists are empty of it."""
    for path in told.paths:
        assert alpha.call("GET", path).status == 200, path
        assert _seen_by(beta, path).code.endswith(("unknown", "not_found")), path
    for path in (
        f"{SYSTEM}/resources",
        f"{META}/tables",
        f"{ETL}/data-tables",
        f"{ETL}/runs",
        f"{ETL}/files",
    ):
        assert alpha.items(path), path
        assert beta.items(path) == [], path


def _seen_by(stranger: Caller, path: str) -> Answer:
    answer = stranger.call("GET", path)
    assert answer.status == 404, (path, answer)
    return answer

"""`make demo`: start Penstock in a folder of its own, do the main job, check it, and stop it again.

Exit code 0 only if every number adds up.
"""

import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deploy.demo import flights, sample, screen
from deploy.demo.client import Client, Refused
from deploy.demo.target import Target
from deploy.supervisor import lifecycle, programs
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.layout import ROOT, Layout

_SYSTEM: Final = "/api/system/v1"
_META: Final = "/api/meta/v1"
_ETL: Final = "/api/etl/v1"
_PATIENCE: Final = 60.0
_SHOWN_CHARACTERS: Final = 36


class Mismatch(Exception):
    """A number that does not add up."""


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("\nThe demo was ended."))
    layout = Layout(ROOT, ROOT / "var" / "demo")
    program = programs.embedded(layout, port=0)
    started = time.monotonic()
    try:
        instance = lifecycle.start(program)
        try:
            Demo(layout, instance.url or "").run()
        finally:
            lifecycle.stop(program)
    except KeyboardInterrupt:
        print("\nThe demo was ended; the next one carries its run on.", file=sys.stderr)
        return 130
    except (CommandFailed, Refused, Mismatch, OSError) as error:
        print(f"\nThe demo failed: {error}\nThe log is {layout.log}", file=sys.stderr)
        return 1
    screen.heading("Where to look next")
    screen.say("PENSTOCK_VAR=var/demo make run    keep this one running; it prints its address")
    screen.say("make run                          a fresh one, with its data in var/")
    screen.say("docs/architecture.md              how it works; docs/vocabulary.md has the words")
    print(f"\nAll numbers add up. {time.monotonic() - started:.0f} s", flush=True)
    return 0


class Demo:
    """The story, one chapter after another."""

    def __init__(self, layout: Layout, url: str) -> None:
        self._folder = layout.var
        self._sqlite = layout.var / "sqlite" / "default"
        self._target = Target(self._sqlite / "warehouse.db")
        self._url = url
        self._client = Client(url, user="owner", password=_password(layout.first_passwords))

    def run(self) -> None:
        screen.heading("Penstock is running")
        screen.say(f"{self._url}, data in {self._folder}; first passwords in first-passwords.txt there")
        self._finish_what_was_interrupted()
        self._know()
        table = self._own()
        self._fill(table)

    def _finish_what_was_interrupted(self) -> None:
        """A demo that was ended in the middle leaves a run, and Penstock carries it on."""
        for state in ("queued", "running", "retry_wait", "cancelling"):
            for run in self._client.items(f"{_ETL}/runs", state=state):
                screen.say(f"the run of {run['task_name']!r} that was interrupted goes on")
                self._watch(run["id"])

    def _know(self) -> None:
        screen.heading("1. Know: register a database, and see what is in it")
        sample.make_source(self._sqlite / "nycflights13.db")
        resource = self._resource("nycflights13", {"type": "sqlite", "file": "nycflights13.db"})
        datasource = self._datasource(resource["id"])
        log = self._client.call("POST", f"{_META}/datasources/{datasource['id']}/scan", {})
        for kind, data in self._client.events(f"{_META}/sync-logs/{log['id']}/events"):
            if kind == "finished" and data["status"] != "success":
                raise Mismatch(f"the scan ended as {data['status']}: {data['error']}")
        done = self._client.call("GET", f"{_META}/sync-logs/{log['id']}")
        screen.say(
            f"scan {done['status']} in {done['duration_ms']} ms: {done['tables_scanned']} tables and views, "
            f"{done['fields_scanned']} fields, {done['tables_changed']} changed since the last time"
        )
        _expect("tables and views scanned", done["tables_scanned"], 5)
        self._tree(datasource["id"])

    def _tree(self, datasource_id: str) -> None:
        screen.say("nycflights13")
        for summary in self._client.items(f"{_META}/tables", datasource_id=datasource_id):
            found = self._client.call("GET", f"{_META}/tables/{summary['id']}")
            rows = "" if found["row_count"] is None else f", {found['row_count']:,} rows"
            fields = [_field(field) for field in found["fields"]]
            screen.say(f"  {found['name']} ({found['type']}{rows})")
            screen.say(f"    {', '.join(fields[:6])}{', ...' if len(fields) > 6 else ''}")  # noqa: PLR2004  fits a line

    def _own(self) -> dict[str, Any]:
        screen.heading("2. Own: a data table, as a plan that is seen before it runs")
        warehouse = self._client.find(f"{_SYSTEM}/resources", name="warehouse")
        if warehouse is None:
            raise Mismatch("there is no resource 'warehouse'")
        tables = f"{_ETL}/data-tables"
        table = self._client.find(tables, physical_name="flights")
        table = table or self._client.call("POST", tables, flights.table(warehouse["id"]))
        plan = self._client.call("POST", f"{tables}/{table['id']}/plan")
        for statement in plan["statements"]:
            screen.block(statement["sql"])
            screen.say(f"  -- {statement['risk']}: {statement['reason']}")
        if not plan["statements"]:
            screen.say("nothing to do: the table is as its definition says")
        body = {"plan_hash": plan["plan_hash"]}
        table = self._client.call("POST", f"{tables}/{table['id']}/publish", body)
        screen.say(f"flights is {table['state']} and {table['sync_state']}")
        return dict(table)

    def _fill(self, table: dict[str, Any]) -> None:
        screen.heading("3. Fill: 336,776 flights through five handlers")
        whole = self._folder / "flights.csv"
        sample.unpack_flights(whole)
        first, before = self._target.rows() == 0, self._target.fingerprint()
        params = self._previewed(self._uploaded(whole))
        run = self._load("flights", table, params)
        counts = run["counts"]
        _expect("rows read", counts["read"], flights.READ)
        _expect("rows filtered (cancelled flights)", counts["filtered"], flights.CANCELLED)
        _expect("rows written", counts["written"], flights.LOADED)
        _expect("rows rejected", counts["rejected"], 0)
        _expect("rows in the table itself", self._target.rows(), flights.LOADED)
        if first:
            _expect("rows inserted", counts["inserted"], flights.LOADED)
        elif before != self._target.fingerprint() or counts["unchanged"] != flights.LOADED:
            raise Mismatch("the second load changed the table")
        else:
            screen.say("the table was there already, and is the same to the last value")
        self._fill_damaged(table, whole, params)

    def _fill_damaged(self, table: dict[str, Any], whole: Path, params: dict[str, Any]) -> None:
        damage = sample.damage(whole, self._folder / "flights-damaged.csv")
        screen.heading("4. And what if the file is damaged? A copy of 5,000 rows, damaged on purpose:")
        screen.say(f"{damage.broken} rows broken in three ways, {damage.doubled} rows doubled")
        before = self._target.fingerprint()
        uploaded = self._uploaded(damage.path)
        params = {**params, "file_id": uploaded["id"]}
        run = self._load("flights, damaged copy", table, params, max_rejects=100)
        counts = run["counts"]
        _expect("rows read", counts["read"], damage.rows)
        _expect("rows rejected", counts["rejected"], damage.broken)
        _expect("rows deduplicated", counts["deduplicated"], damage.doubled)
        _expect("rows filtered (cancelled flights)", counts["filtered"], damage.cancelled)
        _expect("rows in the table itself", self._target.rows(), flights.LOADED)
        if before != self._target.fingerprint():
            raise Mismatch("the damaged copy changed the table")
        self._show_rejects(run["id"])

    def _show_rejects(self, run_id: str) -> None:
        """The first rejected row of each kind."""
        first: dict[tuple[str, str | None], dict[str, Any]] = {}
        for reject in self._client.items(f"{_ETL}/runs/{run_id}/rejects"):
            first.setdefault((reject["code"], reject["column"]), reject)
        screen.say("the first rejected row of each kind:")
        columns = ("record", "line", "step", "column", "value", "reason")
        screen.table(columns, [[_short(each[name]) for name in columns] for each in first.values()])

    def _uploaded(self, path: Path) -> dict[str, Any]:
        uploaded = self._client.upload(path)
        screen.say(f"{path.name}: {uploaded['size']:,} bytes uploaded, SHA-256 {uploaded['sha256'][:12]}...")
        return uploaded

    def _previewed(self, uploaded: dict[str, Any]) -> dict[str, Any]:
        """The loader's parameters as the preview proposes them."""
        body = {"file_id": uploaded["id"], "params": {"null_tokens": ["", "NA"]}, "rows": 20}
        preview = self._client.call("POST", f"{_ETL}/preview-source", body)
        columns = preview["columns"]
        screen.say(f"previewed: {len(columns)} columns, guessed with reasons, such as")
        rows = [[one["name"], one["type"], one["reason"], ", ".join(one["examples"][:3])] for one in columns]
        screen.table(("name", "type", "reason", "examples"), [rows[0], rows[3], rows[9], rows[-1]])
        return _declared(preview["params"])

    def _load(
        self, name: str, table: dict[str, Any], params: dict[str, Any], *, max_rejects: int = 0
    ) -> dict[str, Any]:
        """Save the task, run it, show how it goes, and what came of it."""
        run = self._start(flights.task(name, table["id"], params, max_rejects=max_rejects))
        self._watch(run["id"])
        return self._outcome(run["id"])

    def _start(self, wanted: dict[str, Any]) -> dict[str, Any]:
        known = self._client.find(f"{_ETL}/tasks", name=wanted["name"])
        if known is None:
            known = self._client.call("POST", f"{_ETL}/tasks", wanted)
        else:
            headers = {"If-Match": f'"{known["version"]}"'}
            known = self._client.call("PUT", f"{_ETL}/tasks/{known['id']}", wanted, headers=headers)
        return dict(self._client.call("POST", f"{_ETL}/tasks/{known['id']}/runs"))

    def _watch(self, run_id: str) -> None:
        progress = screen.Progress()
        for kind, data in self._client.events(f"{_ETL}/runs/{run_id}/events"):
            if kind == "progress":
                words = f"{data['read']:,} rows read, {data['rejected']:,} rejected"
                progress.show(data["bytes_read"], data["bytes_total"], words)
            if kind == "succeeded":
                progress.show(1, 1, "done")
        progress.end()

    def _outcome(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self._client.call("GET", f"{_ETL}/runs/{run_id}")
        if run["state"] != "succeeded":
            raise Mismatch(f"the run {run['state']}: {run['problem']}")
        counts = run["counts"]
        names = ("read", "filtered", "deduplicated", "rejected", "written")
        screen.table(names, [[counts[name] for name in names]])
        if counts["read"] != sum(counts[name] for name in names[1:]):
            raise Mismatch(f"the counts don't add up: {counts}")
        kinds = ", ".join(f"{counts[one]:,} {one}" for one in ("inserted", "updated", "unchanged"))
        seconds = _seconds_between(run["started_at"], run["finished_at"])
        screen.say(f"written: {kinds}; {seconds:.1f} s, {counts['read'] / seconds:,.0f} rows/s")
        return run

    def _resource(self, name: str, connection: dict[str, Any]) -> dict[str, Any]:
        known = self._client.find(f"{_SYSTEM}/resources", name=name)
        body = {"name": name, "description": "Flights from New York City.", "connection": connection}
        return known or dict(self._client.call("POST", f"{_SYSTEM}/resources", body))

    def _datasource(self, resource_id: str) -> dict[str, Any]:
        """The datasource that appears by itself, once its first sync is over."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = self._client.find(f"{_META}/datasources", resource_id=resource_id)
            if found and found["last_sync_at"] and not found["active_sync_log_id"]:
                screen.say("its datasource appeared by itself, with its databases listed")
                return found
            time.sleep(0.1)
        raise Mismatch("no datasource appeared")


def _declared(params: dict[str, Any]) -> dict[str, Any]:
    """The previewed columns, with those as text that the pipeline casts by itself."""
    texts = {"distance", "flight", "air_time"}
    columns = [
        {**column, "type": "text" if column["name"] in texts else column["type"], "nullable": True}
        for column in params["columns"]
    ]
    return {**params, "columns": columns}


def _short(cell: Any) -> Any:
    return (
        f"{cell[:_SHOWN_CHARACTERS]}..."
        if isinstance(cell, str) and len(cell) > _SHOWN_CHARACTERS + 3
        else cell
    )


def _field(field: dict[str, Any]) -> str:
    key = {"PRI": " primary key", "UNI": " unique"}.get(field["column_key"] or "", "")
    return f"{field['name']} {field['data_type']}{key}"


def _expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise Mismatch(f"{what}: {found:,}, and it should be {wanted:,}")
    screen.say(f"checked: {what} {found:,}")


def _password(path: Path) -> str:
    """The owner's password, as the first start wrote it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("tenant default:"):
            return line.rsplit("/", 1)[1].strip()
    raise Mismatch(f"{path.name} has no line for the tenant 'default'")


def _seconds_between(start: str, end: str) -> float:
    return max(0.001, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


if __name__ == "__main__":
    sys.exit(main())

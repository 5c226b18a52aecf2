"""Embedded mode as an operator meets it: start, first page, messages, memory, stop."""

import asyncio
import http.client
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from tests.acceptance import process
from tests.acceptance.process import ETL, ROOT, SYSTEM, Penstock, wait_for
from tests.acceptance.workshop import Workshop, owner, rows
from tests.servers import web_api

START_SECONDS = 3.0
IDLE_MEGABYTES = 200
LIBRARIES = "import aiohttp.web, pydantic_settings, sqlalchemy.ext.asyncio, sqlalchemy.orm, jwt"


def fails(var: Path, **settings: str) -> str:
    """What a start that can't succeed prints; its exit code is 1."""
    done = subprocess.run(
        [sys.executable, "-m", "services"],
        cwd=ROOT,
        env=process.environment(var, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def library_seconds() -> float:
    """How long this machine takes now to import the libraries alone."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.monotonic() - began


def test_it_answers_within_three_seconds_of_its_first_start(tmp_path: Path) -> None:
    """On a machine that is busy with other tests, within three times what the imports take there."""
    allowed = max(START_SECONDS, 3 * library_seconds())
    with process.running(tmp_path / "var") as running:
        assert running.seconds_to_ready < allowed


def test_it_is_small_while_idle_and_has_loaded_neither_pandas_nor_pyarrow(penstock: Penstock) -> None:
    main = psutil.Process(penstock.process.pid)
    assert main.memory_info().rss < IDLE_MEGABYTES * 1024 * 1024
    heavy = [found.path for found in main.memory_maps() if re.search(r"pandas|pyarrow|numpy", found.path)]
    assert heavy == []


def test_the_first_page_leads_to_the_three_documents(penstock: Penstock) -> None:
    answer = penstock.anonymous.call("GET", "/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'href="([^"]+)"', answer.body.decode())
    assert {f"/api/{service}/v1/openapi.json" for service in ("system", "meta", "etl")} <= set(links)
    assert [link for link in links if penstock.anonymous.call("GET", link).status != 200] == []


def test_it_prints_where_it_listens_and_where_the_first_password_lies(penstock: Penstock) -> None:
    printed = penstock.log.read_text()
    assert penstock.url in printed
    assert str(penstock.var / "first-passwords.txt") in printed


def test_no_secret_is_in_the_log(penstock: Penstock, tenant_one: Workshop) -> None:
    tenant_one.caller.get(f"{SYSTEM}/me")
    log = penstock.log.read_text()
    secrets = [(penstock.var / "first-passwords.txt").read_text().split(" / ")[-1].strip()]
    secrets += [path.read_text().strip() for path in (penstock.var / "secrets").iterdir()]
    assert [secret for secret in secrets if secret in log] == []
    assert tenant_one.caller.token is not None
    assert tenant_one.caller.token not in log


def test_a_busy_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = fails(tmp_path / "var", PENSTOCK_PORT=str(port))
    assert f"Port {port} of 127.0.0.1 is taken" in said
    assert "PENSTOCK_PORT" in said


def test_a_folder_that_is_in_use_is_one_clear_sentence(penstock: Penstock) -> None:
    said = fails(penstock.var)
    assert f"process {penstock.process.pid}" in said
    assert "PENSTOCK_VAR" in said


@pytest.mark.parametrize(
    ("setting", "value"), [("PENSTOCK_PORT", "eighty"), ("PENSTOCK_HOST", "no-such-host.invalid")]
)
def test_a_wrong_setting_is_named(tmp_path: Path, setting: str, value: str) -> None:
    assert setting in fails(tmp_path / "var", **{setting: value})


def test_a_lost_database_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with process.running(var):
        pass
    for lost in var.glob("system.db*"):
        lost.rename(lost.with_name(f"kept-{lost.name}"))
    for _ in range(2):  # the first refusal leaves nothing that the second takes for a database
        said = fails(var)
        assert f"{var / 'system.db'} is missing" in said
        assert "backup" in said
    assert not (var / "system.db").exists()
    for kept in var.glob("kept-*"):
        kept.rename(var / kept.name.removeprefix("kept-"))
    with process.running(var) as running:
        owner(running)


def test_with_all_databases_moved_away_it_begins_anew(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with process.running(var):
        pass
    for old in (*var.glob("*.db*"), var / "first-passwords.txt"):
        old.unlink()
    with process.running(var) as running:
        owner(running)


@pytest.mark.parametrize("damage", ["random bytes", "a folder"])
def test_a_database_that_is_none_is_one_clear_sentence(tmp_path: Path, damage: str) -> None:
    database = tmp_path / "var" / "meta.db"
    database.parent.mkdir()
    if damage == "a folder":
        database.mkdir()
    else:
        database.write_bytes(random.Random(1).randbytes(9000))
    assert f"The database {database} can't be read" in fails(tmp_path / "var")


def test_sigterm_ends_it_in_good_order_within_seconds_although_a_stream_is_open(tmp_path: Path) -> None:
    with process.running(tmp_path / "var") as running:
        workshop = Workshop(owner(running))
        task = workshop.task(
            "t", workshop.upload("t.csv", rows(3)), workshop.table("t", workshop.warehouse())
        )
        run = workshop.start(task)
        workshop.finished(run)
        stream = open_stream(running, workshop, workshop.start(task))
        children = psutil.Process(running.process.pid).children(recursive=True)
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 8
        stream.close()
        wait_for(
            lambda: not any(child.is_running() for child in children), seconds=5, what="the children's end"
        )


def test_sigterm_does_not_wait_for_a_preview_whose_source_is_silent(tmp_path: Path) -> None:
    never = threading.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(never.wait, 60)
        return web.Response()

    with web_api.serving() as api, process.running(tmp_path / "var") as running:
        api.answer = silent
        workshop = Workshop(owner(running))
        resource = workshop.resource("api", {"type": "http", "base_url": api.url})
        asked = {"loader": "http", "params": {"resource_id": resource, "path": "/orders"}}
        answers: list[process.Answer] = []
        ask = threading.Thread(
            target=lambda: answers.append(workshop.caller.call("POST", f"{ETL}/preview-source", asked))
        )
        ask.start()
        wait_for(lambda: api.asked, seconds=20, what="the request of the preview")
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 8
        ask.join(10)
        assert answers[0].code == "preview_unavailable"
        never.set()


def open_stream(running: Penstock, workshop: Workshop, run: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(running.netloc, timeout=10)
    connection.request(
        "GET", f"{ETL}/runs/{run}/events", headers={"Authorization": f"Bearer {workshop.caller.token}"}
    )
    assert connection.getresponse().status == 200
    return connection

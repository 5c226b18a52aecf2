"""Rejected rows over HTTP: listed, downloaded, tried again once the task takes them."""

import csv
import io
import json
from typing import Any
from uuid import uuid4

import pytest

from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.house import House
from tests.api.etl_runs.conftest import runnable_task
from tests.api.etl_runs.test_run_events import BAD, follow

LIMITS = {"max_rejects": 10}


async def ended(house: House, run: Any) -> Any:
    await follow(house, run["id"])
    return (await house.call("GET", f"/runs/{run['id']}", expect=200)).body


async def rejecting(house: House, content: bytes = BAD, **changes: Any) -> tuple[Any, Any]:
    """A task, and its run that has rejected some rows."""
    task = await runnable_task(house, content, limits=LIMITS, **changes)
    run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
    return task, await ended(house, run)


async def downloaded(house: House, run: Any, query: str = "") -> tuple[str, Any]:
    path = f"{house.url}/runs/{run['id']}/rejects:download{query}"
    async with house.session.get(path, headers=house.headers()) as response:
        assert response.status == 200
        return (await response.read()).decode(), response.headers


async def changed(house: House, task: Any, **changes: Any) -> Any:
    body = {key: task[key] for key in ("name", "source", "steps", "limits")} | changes
    path = f"/tasks/{task['id']}"
    return (await house.call("PUT", path, body=body, version=task["version"], expect=200)).body


class TestDownload:
    async def test_a_run_says_which_rejects_are_kept(self, working: House) -> None:
        _, run = await rejecting(working)
        assert run["rejects"] == {"attempt": 1, "rows": 2, "complete": True}

    async def test_all_rows_come_as_lines_of_json(self, working: House) -> None:
        _, run = await rejecting(working)
        text, headers = await downloaded(working, run)
        assert headers["Content-Type"].startswith("application/x-ndjson")
        assert f'rejects-{run["id"]}.ndjson"' in headers["Content-Disposition"]
        rows = [json.loads(line) for line in text.splitlines()]
        assert sorted((row["record"], row["value"]) for row in rows) == [(2, "two"), (3, "much")]

    async def test_all_rows_come_as_csv_with_a_header(self, working: House) -> None:
        _, run = await rejecting(working, BAD.replace(b"much", b'"a ""lot"", or\nso"'))
        text, headers = await downloaded(working, run, "?form=csv")
        assert headers["Content-Type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert {row["value"] for row in rows} == {"two", 'a "lot", or\nso'}
        assert set(rows[0]) >= {"record", "line", "column", "code", "reason", "step"}

    async def test_a_run_without_rejects_gives_an_empty_file(self, house: House, task: Any) -> None:
        run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
        assert (await downloaded(house, run))[0] == ""
        assert (await downloaded(house, run, "?form=csv"))[0].startswith("record,line,")

    async def test_a_form_that_there_is_not_is_refused(self, house: House, task: Any) -> None:
        run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
        answer = await house.call("GET", f"/runs/{run['id']}/rejects:download?form=xls")
        assert (answer.status, answer.places) == (422, ["query.form"])

    async def test_a_stranger_finds_nothing(self, house: House, task: Any) -> None:
        run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
        for method, verb in (("GET", "download"), ("POST", "replay")):
            path = f"/runs/{run['id']}/rejects:{verb}"
            answer = await house.call(method, path, tenant=TenantId(uuid7()))
            assert answer.problem() == (404, "run_unknown")


class TestReplay:
    async def test_only_the_rejected_records_are_loaded_once_the_task_takes_them(
        self, working: House
    ) -> None:
        task, run = await rejecting(working)
        tokens = {"null_tokens": ["", "much", "two"]}
        source = {**task["source"], "params": task["source"]["params"] | tokens}
        task = await changed(working, task, source=source)
        again = (await working.call("POST", f"/runs/{run['id']}/rejects:replay", expect=202)).body
        assert again["replay_of"] == run["id"]
        assert again["parameters"]["rejects_of"] == run["id"]
        assert again["task_revision"] == 2
        done = await ended(working, again)
        counts = done["counts"]
        assert (counts["read"], counts["written"], counts["rejected"]) == (2, 1, 1), done
        rows = (await working.call("GET", f"/runs/{again['id']}/rejects", expect=200)).body["items"]
        assert [(row["record"], row["code"]) for row in rows] == [(2, "key_null")]

    async def test_rejects_are_replayed_once(self, working: House) -> None:
        _, run = await rejecting(working)
        path = f"/runs/{run['id']}/rejects:replay"
        key = {"Idempotency-Key": "again"}
        first = (await working.call("POST", path, headers=key, expect=202)).body
        same = (await working.call("POST", path, headers=key, expect=202)).body
        other = await working.call("POST", path, body={"queue_behind": True})
        assert same["id"] == first["id"]
        assert other.problem() == (409, "rejects_replayed")
        assert other.body["run_id"] == first["id"]

    async def test_a_failed_replay_may_be_repeated(self, working: House) -> None:
        task, run = await rejecting(working)
        await changed(working, task, limits={"max_rejects": 0})
        path = f"/runs/{run['id']}/rejects:replay"
        first = await ended(working, (await working.call("POST", path, expect=202)).body)
        assert first["state"] == "failed", first
        await working.call("POST", path, expect=202)

    async def test_what_a_replay_of_another_file_has_rejected_is_read_from_there(
        self, working: House
    ) -> None:
        task = await runnable_task(working, limits=LIMITS)
        file = await working.file(BAD)
        body = {"file_id": file["id"]}
        run = (await working.call("POST", f"/tasks/{task['id']}/runs", body=body, expect=202)).body
        await ended(working, run)
        again = (await working.call("POST", f"/runs/{run['id']}/rejects:replay", expect=202)).body
        assert again["parameters"]["file_id"] == file["id"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"delimiter": ";"}, "the task's delimiter has changed"),
            ({"empty_rows": "keep"}, "the task's empty_rows has changed"),
        ],
    )
    async def test_records_must_be_the_same_ones(self, working: House, changes: Any, reason: str) -> None:
        task, run = await rejecting(working)
        source = {**task["source"], "params": task["source"]["params"] | changes}
        await changed(working, task, source=source)
        answer = await working.call("POST", f"/runs/{run['id']}/rejects:replay")
        assert answer.problem() == (409, "rejects_not_replayable")
        assert reason in answer.body["detail"]

    @pytest.mark.parametrize("replay", [{"mode": "replace"}, {"mode": "upsert"}])
    async def test_what_a_run_has_loaded_is_not_replaced_by_what_it_has_rejected(
        self, working: House, replay: Any
    ) -> None:
        task, run = await rejecting(working)
        *casts, save = task["steps"]
        await changed(working, task, steps=[*casts, {**save, "params": {**save["params"], **replay}}])
        answer = await working.call("POST", f"/runs/{run['id']}/rejects:replay")
        if replay["mode"] == "upsert":
            assert answer.status == 202
        else:
            assert answer.problem() == (409, "rejects_not_replayable")
            assert "in the place of the rows" in answer.body["detail"]

    async def test_only_what_a_successful_run_has_left_out_is_replayed(self, house: House, task: Any) -> None:
        run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
        path = f"/runs/{run['id']}/rejects:replay"
        waiting = await house.call("POST", path)
        await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
        cancelled = await house.call("POST", path)
        assert "the run isn't over" in waiting.body["detail"]
        assert "retry it as a whole" in cancelled.body["detail"]
        assert waiting.problem() == cancelled.problem() == (409, "rejects_not_replayable")

    async def test_an_unknown_run_is_not_found(self, house: House) -> None:
        answer = await house.call("POST", f"/runs/{uuid4()}/rejects:replay")
        assert answer.problem() == (404, "run_unknown")

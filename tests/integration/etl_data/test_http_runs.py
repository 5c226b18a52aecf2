"""An API read by a child into tables: incremental runs, rejects with their pages, all or nothing."""

import pytest
from aiohttp import web

from services.etl.pipeline.definition import Limits
from services.etl.pipeline.job import Job, JobSource
from services.etl.runner.executor import Executor
from services.etl.runner.messages import Succeeded
from shared.identifiers import uuid7
from tests.integration.etl_data.apis import resource
from tests.integration.etl_data.jobs import TABLE, Jobs, failed, run, succeeded
from tests.servers.web_api import WebApi

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROWS = [
    {"id": at, "name": f"n{at}", "price": "1.10", "sold": f"2026-01-0{at}T00:00:00Z"} for at in range(1, 6)
]


def _job(jobs: Jobs, api: WebApi, stream: str) -> Job:
    columns = [{"name": name, "type": kind} for name, kind in jobs.types.items()]
    params = {
        "resource_id": str(uuid7()), "columns": columns, "paging": "page",
        "cursor_column": "sold", "cursor_parameter": "since",
    }  # fmt: skip
    source = JobSource(loader="http", params=params, connection=resource(api))
    made = jobs.job("", mode="upsert", stream=stream, limits=Limits(max_rejects=1))
    return made.model_copy(update={"source": source})


async def test_each_run_goes_on_where_the_last_one_ended(warm: Executor, goods: Jobs, served: WebApi) -> None:
    rows = list(ROWS[:3])

    async def answer(request: web.Request) -> web.StreamResponse:
        fresh = [row for row in rows if str(row["sold"]) > request.query.get("since", "")]
        at = 2 * (int(request.query["page"]) - 1)
        return web.json_response(fresh[at : at + 2])

    served.answer = answer
    stream = str(uuid7())
    first = await succeeded(warm, _job(goods, served, stream))
    assert first.counts.read == 3
    rows += ROWS[3:]
    second = await succeeded(warm, _job(goods, served, stream))
    assert second.counts.read == 2
    assert served.asked[-1].query["since"] == "2026-01-03T00:00:00Z"
    assert [row[0] for row in await goods.table.rows(f"SELECT id FROM {TABLE} ORDER BY id")] == [
        1,
        2,
        3,
        4,
        5,
    ]


async def test_a_page_that_breaks_leaves_nothing_and_rejects_know_theirs(
    warm: Executor, in_sqlite: Jobs, served: WebApi
) -> None:
    bad = False

    async def answer(request: web.Request) -> web.StreamResponse:
        page = int(request.query["page"])
        if page == 1:
            return web.json_response(ROWS[:2])
        if bad:
            return web.Response(text="[{")
        return web.json_response([{"id": "x"}] if page == 2 else [])

    served.answer = answer
    outcome, heard = await run(warm, _job(in_sqlite, served, str(uuid7())))
    assert isinstance(outcome, Succeeded)
    assert (outcome.counts.read, outcome.counts.rejected) == (3, 1)
    assert [(reject.file, reject.column) for reject in heard.rejects] == [("page 2", "id")]

    await in_sqlite.table.execute(f"DELETE FROM {TABLE}")
    bad = True
    refused = await failed(warm, _job(in_sqlite, served, str(uuid7())))
    assert refused.code == "page_refused"
    assert "On page 2" in refused.message
    assert await in_sqlite.table.rows() == []

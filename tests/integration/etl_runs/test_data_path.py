"""The run protocol with the real data path: whatever happens, each row is in the table once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.etl.runner.attempt import Attempt
from services.etl.runner.loop import Runner
from services.etl.runs.endings import Ending
from services.etl.runs.models import Run
from services.etl.runs.states import State
from shared.identifiers import RunId
from tests.integration.etl_data.jobs import Jobs, PostgresTable, SqliteTable, columns_of
from tests.integration.etl_runs.loading import ROWS, content, count, executing, kill_child, means, spec_of
from tests.integration.etl_runs.scene import TENANT, Scene, eventually


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Jobs:
    """Jobs for each kind of target; the ETL database is a file."""
    if request.param == "sqlite":
        return Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    return Jobs(PostgresTable(request.getfixturevalue("postgres_database")), tmp_path)


@pytest.fixture
async def goods(jobs: Jobs) -> Jobs:
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@pytest.fixture
async def runner(sqlite_scene: Scene, goods: Jobs) -> AsyncIterator[Runner]:
    """A runner that appends a long file to the table."""
    async with executing() as executor:
        spec = spec_of(goods.job(content(), key=()))
        yield Runner(means(sqlite_scene, spec, executor), sqlite_scene.bus, grace=0.0)


async def loads(scene: Scene, run: Run) -> None:
    """Wait until rows are on their way."""

    async def look() -> bool:
        found = await scene.run(run.id)
        assert found.state in {State.QUEUED, State.RUNNING}, found.state
        return bool(found.progress and found.progress["read"])

    await eventually(look)


async def test_rows_are_loaded_and_counted(sqlite_scene: Scene, goods: Jobs, runner: Runner) -> None:
    scene = sqlite_scene
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert await count(goods) == (ROWS, ROWS)
    assert done.counts is not None
    assert (done.counts["read"], done.counts["written"]) == (ROWS, ROWS)


async def test_a_run_whose_end_was_not_written_down_is_adopted(
    sqlite_scene: Scene, goods: Jobs, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner dies between the commit in the target and its own."""
    scene, write_end = sqlite_scene, Attempt._write_end

    async def die_once(attempt: Attempt, ending: Ending) -> State | None:
        monkeypatch.setattr(Attempt, "_write_end", write_end)
        async with scene.database.write() as session:
            run = await session.get(Run, attempt._claimed.run_id)
            assert run is not None
            run.lease_until = run.created_at
        return None

    monkeypatch.setattr(Attempt, "_write_end", die_once)
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert (done.attempt, done.adopted) == (2, True)
    assert done.counts is not None
    assert done.counts["written"] == ROWS
    assert await count(goods) == (ROWS, ROWS)


async def test_a_run_whose_child_is_killed_is_done_again_and_loads_its_rows_once(
    sqlite_scene: Scene, goods: Jobs, runner: Runner
) -> None:
    scene = sqlite_scene
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        await loads(scene, run)
        kill_child()
        done = await scene.becomes(run.id, State.SUCCEEDED)
    assert done.attempt == 2
    _, attempts = await scene.service.get(TENANT, RunId(run.id))
    assert [attempt.outcome for attempt in attempts] == ["lost", "succeeded"]
    assert await count(goods) == (ROWS, ROWS)


async def test_a_cancelled_run_leaves_the_table_as_it_was_and_the_next_run_fills_it(
    sqlite_scene: Scene, goods: Jobs, runner: Runner
) -> None:
    scene = sqlite_scene
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        await loads(scene, run)
        await scene.service.cancel(TENANT, RunId(run.id))
        await scene.becomes(run.id, State.CANCELLED)
        assert await count(goods) == (0, 0)
        again = await scene.start()
        await scene.becomes(again.id, State.SUCCEEDED)
    assert await count(goods) == (ROWS, ROWS)


async def test_a_run_that_its_runner_gave_back_is_finished_by_the_next_one(
    sqlite_scene: Scene, goods: Jobs, runner: Runner
) -> None:
    scene = sqlite_scene
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        await loads(scene, run)
    assert (await scene.run(run.id)).charged == 0
    async with scene.at_work(runner, *scene.upkeep()):
        await scene.becomes(run.id, State.SUCCEEDED)
    assert await count(goods) == (ROWS, ROWS)

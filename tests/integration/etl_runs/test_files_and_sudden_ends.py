"""Runs that write a file and end suddenly, at any point: one file in the end, as if they had run once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.etl.runner.attempt import Attempt
from services.etl.runner.executor import Executor
from services.etl.runner.loop import Runner
from services.etl.runner.messages import Progress
from services.etl.runs.endings import Ending
from services.etl.runs.models import Run
from services.etl.runs.states import State
from shared.identifiers import RunId
from tests.integration.etl_data.files import FileJobs
from tests.integration.etl_runs.files import CSV, Dying, Told, WritingScene
from tests.integration.etl_runs.loading import ROWS, content, executing
from tests.integration.etl_runs.plays import outcomes
from tests.integration.etl_runs.scene import OTHER_TASK, TASK, TENANT, Scene
from tests.servers.s3 import S3Server

SOURCE = "id,name,price,sold\n1,bolt,0.10,\n2,,99999.99,\n"
LINES = b'"id","name","price","sold"\n1,"bolt",0.10,\n2,,99999.99,\n'


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    async with executing() as made:
        yield made


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as made:
        yield made


@pytest.fixture
def own(scene: Scene, tmp_path: Path) -> WritingScene:
    """Runs that write a file of the tenant's own."""
    return WritingScene(scene, FileJobs(tmp_path))


@pytest.fixture
def remote(sqlite_scene: Scene, tmp_path: Path, server: S3Server) -> WritingScene:
    """Runs that write an object."""
    return WritingScene(sqlite_scene, FileJobs(tmp_path, server=server))


def dies_before_it_is_noted(monkeypatch: pytest.MonkeyPatch, *, cancelled: bool = False) -> None:
    """The first runner dies when its child has said that all is done, before that is written down."""
    write_end = Attempt._write_end

    async def die_once(attempt: Attempt, ending: Ending) -> State | None:
        assert ending.file is not None
        monkeypatch.setattr(Attempt, "_write_end", write_end)
        async with attempt._means.database.write() as session:
            run = await session.get(Run, attempt._claimed.run_id)
            assert run is not None
            run.lease_until = run.created_at
            run.state = State.CANCELLING if cancelled else run.state
        return None

    monkeypatch.setattr(Attempt, "_write_end", die_once)


async def done(writing: WritingScene, runner: Runner, state: State = State.SUCCEEDED) -> Run:
    """A run of the scene, once it is in this state."""
    async with writing.scene.at_work(runner, *writing.scene.upkeep()):
        run = await writing.scene.start()
        return await writing.scene.becomes(run.id, state)


async def assert_one_file(writing: WritingScene, run: Run) -> None:
    """After a sweep there is the run's file and nothing else."""
    await writing.sweep()
    (file,) = await writing.known()
    assert run.file is not None
    assert (str(file.id), file.name, file.state) == (run.file["file_id"], "goods", "ready")
    assert (file.size, file.sha256) == (len(LINES), run.file["sha256"])
    assert writing.content(file) == LINES
    assert writing.lying() == [str(file.id)]
    assert run.counts is not None
    assert (run.counts["read"], run.counts["written"], run.counts["inserted"]) == (2, 2, 2)


@pytest.mark.parametrize("point", ["opened", "writing", "synced", "moved"])
async def test_a_run_whose_child_is_killed_leaves_one_file_of_the_tenant(
    own: WritingScene, executor: Executor, point: str, tmp_path: Path
) -> None:
    dying = Dying(executor, point, tmp_path / "scratch")
    means = own.means(dying, own.jobs.job(SOURCE, form=CSV))

    run = await done(own, Runner(means, own.scene.bus))

    assert await outcomes(own.scene, run) == ["lost", "succeeded"]
    assert len(own.lying()) == 2, "what was begun is still there"
    await assert_one_file(own, run)


async def test_a_run_whose_runner_dies_before_it_notes_the_end_leaves_one_file_of_the_tenant(
    own: WritingScene, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before_it_is_noted(monkeypatch)

    run = await done(own, Runner(own.means(executor, own.jobs.job(SOURCE, form=CSV)), own.scene.bus))

    assert (run.attempt, run.adopted, len(own.lying())) == (2, False, 2)
    await assert_one_file(own, run)


async def test_a_run_that_is_cancelled_before_its_end_is_noted_has_no_file(
    own: WritingScene, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before_it_is_noted(monkeypatch, cancelled=True)
    means = own.means(executor, own.jobs.job(SOURCE, form=CSV))

    run = await done(own, Runner(means, own.scene.bus), State.CANCELLED)
    await own.sweep()

    assert (run.file, await own.known(), own.lying()) == (None, [], [])


async def test_a_run_that_replaces_a_file_and_is_lost_leaves_the_one_before(
    own: WritingScene, executor: Executor, tmp_path: Path
) -> None:
    before = await done(own, Runner(own.means(executor, own.jobs.job(SOURCE, form=CSV)), own.scene.bus))
    dying = Dying(executor, "moved", tmp_path / "scratch")
    means = own.means(dying, own.jobs.job("id,name,price,sold\n", form=CSV))
    async with own.scene.at_work(Runner(means, own.scene.bus)):
        run = await own.scene.start(OTHER_TASK)
        await own.scene.becomes(run.id, State.RETRY_WAIT)

    await assert_one_file(own, before)


@pytest.mark.parametrize("point", ["opened", "writing", "synced", "part of it sent", "all of it sent"])
async def test_a_run_whose_child_is_killed_leaves_one_object(
    remote: WritingScene, server: S3Server, executor: Executor, point: str, tmp_path: Path
) -> None:
    dying = Dying(executor, point, tmp_path / "scratch")
    means = remote.means(dying, remote.jobs.job(SOURCE, form=CSV))

    run = await done(remote, Runner(means, remote.scene.bus))

    assert (run.attempt, run.adopted) == (2, point == "all of it sent")
    assert_one_object(server, run)


async def test_a_run_whose_runner_dies_before_it_notes_the_end_leaves_one_object(
    remote: WritingScene, server: S3Server, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before_it_is_noted(monkeypatch)
    runner = Runner(remote.means(executor, remote.jobs.job(SOURCE, form=CSV)), remote.scene.bus)

    run = await done(remote, runner)

    assert (run.attempt, run.adopted) == (2, True)
    assert_one_object(server, run)


async def test_a_run_that_is_cancelled_when_its_object_is_written_has_succeeded(
    remote: WritingScene, server: S3Server, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before_it_is_noted(monkeypatch, cancelled=True)
    runner = Runner(remote.means(executor, remote.jobs.job(SOURCE, form=CSV)), remote.scene.bus)

    run = await done(remote, runner)

    assert_one_object(server, run)


def assert_one_object(server: S3Server, run: Run) -> None:
    """There is the run's object, and nothing else."""
    assert list(server.objects) == ["goods"]
    stored = server.objects["goods"]
    assert (stored.content, stored.metadata["penstock-run"]) == (LINES, run.id.hex)
    assert (run.file or {})["sha256"] == stored.metadata["penstock-sha256"]
    assert run.counts is not None
    assert (run.counts["read"], run.counts["written"], run.counts["inserted"]) == (2, 2, 2)


@pytest.fixture(params=["own", "remote"])
def writing(
    request: pytest.FixtureRequest, sqlite_scene: Scene, tmp_path: Path, server: S3Server
) -> WritingScene:
    """Runs that write a file, or an object."""
    return WritingScene(
        sqlite_scene, FileJobs(tmp_path, server=server if request.param == "remote" else None)
    )


async def test_a_run_that_is_cancelled_while_it_writes_leaves_nothing(
    writing: WritingScene, executor: Executor, server: S3Server
) -> None:
    told, scene = Told(executor, Progress), writing.scene
    runner = Runner(writing.means(told, writing.jobs.job(content(4 * ROWS), form=CSV)), scene.bus)
    async with scene.at_work(runner, *scene.upkeep()):
        run = await scene.start()
        await told.reached.wait()
        await scene.service.cancel(TENANT, RunId(run.id))
        over = await scene.becomes(run.id, State.CANCELLED)
    await writing.sweep()

    assert over.file is None
    assert (await writing.known(), writing.lying(), server.objects) == ([], [], {})


async def test_a_run_whose_time_is_over_leaves_nothing(
    writing: WritingScene, executor: Executor, server: S3Server
) -> None:
    job = writing.jobs.job(content(10 * ROWS), form=CSV)
    scene = writing.scene
    scene.tasks.timeout_seconds = 1
    async with scene.at_work(Runner(writing.means(executor, job), scene.bus), *scene.upkeep()):
        run = await scene.start()
        over = await scene.becomes(run.id, State.TIMED_OUT)
    await writing.sweep()

    assert (over.problem or {})["code"] == "run_timed_out"
    assert (await writing.known(), writing.lying(), server.objects) == ([], [], {})


async def test_a_new_file_whose_name_was_taken_meanwhile_is_not_kept(
    own: WritingScene, executor: Executor
) -> None:
    """When the run began there was none of its name."""
    job = own.jobs.job(SOURCE, form=CSV, overwrite="new")
    async with own.scene.at_work(Runner(own.means(executor, job), own.scene.bus)):
        first = await own.scene.start()
        before = await own.scene.becomes(first.id, State.SUCCEEDED)
        second = await own.scene.start(OTHER_TASK)
        over = await own.scene.becomes(second.id, State.FAILED)

    assert ((over.problem or {})["code"], over.file) == ("file_name_taken", None)
    await assert_one_file(own, before)


async def test_of_two_runs_that_write_one_name_at_once_one_file_stays(
    sqlite_scene: Scene, executor: Executor, tmp_path: Path
) -> None:
    """As tasks do whose names differ before their places are filled in."""
    own = WritingScene(sqlite_scene, FileJobs(tmp_path))
    runner = Runner(own.means(executor, own.jobs.job(SOURCE, form=CSV)), own.scene.bus, slots=2)
    async with own.scene.at_work(runner):
        runs = [await own.scene.start(task) for task in (TASK, OTHER_TASK)]
        done = [await own.scene.becomes(run.id, State.SUCCEEDED) for run in runs]

    await own.sweep()
    (file,) = await own.known()
    last = max(done, key=lambda run: run.finished_at or run.created_at)
    assert (last.file or {})["file_id"] == str(file.id)
    assert (own.content(file), own.lying()) == (LINES, [str(file.id)])

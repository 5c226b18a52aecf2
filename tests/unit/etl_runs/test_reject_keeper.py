"""Rejected rows on their way into their file: what a full store costs."""

from pathlib import Path
from uuid import UUID

from services.etl.runner.messages import Reject
from services.etl.runner.recorder import News
from services.etl.runner.rejects import RejectKeeper
from services.etl.runner.repository import Claimed
from services.etl.runs.rejected.store import Kept, RejectStore
from services.etl.runs.schemas import RunParameters
from shared.contracts.identity import TenantScope
from shared.identifiers import RunId, TaskId, TenantId

CLAIMED = Claimed(
    run_id=RunId(UUID(int=1)),
    scope=TenantScope(TenantId(UUID(int=2))),
    task_id=TaskId(UUID(int=3)),
    task_revision=1,
    table_key="t",
    attempt=2,
    fence=1,
    charged=1,
    max_attempts=5,
    timeout_seconds=60,
    seconds_left=60.0,
    settling=False,
    cancelling=False,
    parameters=RunParameters(),
)


def news(*records: int, complete: bool = True, value: str = "x") -> News:
    rejects = [
        Reject(record=record, value=value, code="c", reason="is no number", step="csv") for record in records
    ]
    return News(rejects=rejects, complete=complete)


async def test_rows_are_kept_as_they_come_and_nothing_is_told_twice(tmp_path: Path) -> None:
    store = RejectStore(tmp_path)
    keeper = RejectKeeper(CLAIMED, store)
    assert await keeper.keep(news(1, 2)) == Kept(attempt=2, rows=2, complete=True)
    assert await keeper.keep(news()) is None
    assert await keeper.keep(news(3, complete=False)) == Kept(attempt=2, rows=3, complete=False)
    file = store.file(CLAIMED.scope.tenant_id, CLAIMED.run_id, 2)
    assert [row["record"] for row in file.rows(most=9)] == [1, 2, 3]


async def test_half_of_a_pair_in_a_value_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    store = RejectStore(tmp_path)
    await RejectKeeper(CLAIMED, store).keep(news(1, value="a\ud800b"))
    (row,) = store.file(CLAIMED.scope.tenant_id, CLAIMED.run_id, 2).rows(most=9)
    assert row["value"] == "a?b"


async def test_a_store_that_can_not_write_costs_the_rows_and_not_the_run(tmp_path: Path) -> None:
    store = RejectStore(tmp_path)
    keeper = RejectKeeper(CLAIMED, store)
    await keeper.keep(news(1))
    folder = store.file(CLAIMED.scope.tenant_id, CLAIMED.run_id, 2).path.parent
    moved = folder.rename(tmp_path / "away")
    folder.write_text("in the way")
    assert await keeper.keep(news(2)) == Kept(attempt=2, rows=1, complete=False)
    folder.unlink()
    moved.rename(folder)
    assert await keeper.keep(news(3)) is None, "what is kept are the first ones, without a gap"

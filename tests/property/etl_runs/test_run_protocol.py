"""The run protocol under crashes, cut-off runners, lost, doubled, late and reordered messages."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.etl.runner.repository import Claimed
from services.etl.runs import endings
from services.etl.runs.endings import Kind, Trouble
from services.etl.runs.errors import IdempotencyKeyReused, RunActive, RunFinished, RunUnfinished
from services.etl.runs.models import Run, RunEvent
from services.etl.runs.states import LEASED, TERMINAL, State
from shared.identifiers import RunId
from tests.property.etl_runs.world import LIMIT, TASKS, TENANT, USER, Runner, World

BROKEN = Trouble("target_unavailable", "The target is away.", Kind.TRANSIENT)
WRONG = Trouble("column_unknown", "There is no such column.", Kind.PERMANENT)
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
INDEX = st.integers(min_value=0, max_value=1_000)


class RunProtocol(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.world = World(self.folder)
        self.working: list[Runner] = []
        self.over: dict[RunId, tuple[str, int]] = {}
        self.seen: dict[RunId, tuple[int, int]] = {}
        self.by_key: dict[str, tuple[RunId, Any]] = {}

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._come_to_rest()
        finally:
            self.world.close()
            shutil.rmtree(self.folder)

    # --- what people do

    @rule(task=st.sampled_from(TASKS), key=st.sampled_from([None, "a", "b", "c"]), behind=st.booleans())
    def post(self, task: Any, key: str | None, behind: bool) -> None:
        try:
            run = self.world.start(task, key=key, queue_behind=behind)
        except RunActive:
            assert f"table:{task}" in {run.exclusive_key for run in self.world.runs() if run.active_key}
            assert not behind
            assert key not in self.by_key
        except IdempotencyKeyReused:
            assert self.by_key[str(key)][1] != (task, behind)
        else:
            if key is not None:
                first = self.by_key.setdefault(key, (RunId(run.id), (task, behind)))
                assert first == (run.id, (task, behind)), "one key, one request, one run"

    @precondition(lambda self: self.seen)
    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        run_id = self._pick(list(self.seen), index)
        try:
            run = self.world.do(self.world.service.cancel(TENANT, run_id))
        except RunFinished:
            assert run_id in self.over
        else:
            assert run.state in {State.CANCELLING, State.CANCELLED}

    @precondition(lambda self: self.over)
    @rule(index=INDEX)
    def retry(self, index: int) -> None:
        old = self._pick(list(self.over), index)
        try:
            run = self.world.do(self.world.service.retry(TENANT, old, requested_by=USER, queue_behind=True))
        except RunUnfinished:
            assert self.over[old][0] == State.SUCCEEDED
        else:
            assert run.replay_of == old
            assert run.id not in self.seen

    # --- what the bus does

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEX)
    def deliver(self, index: int) -> None:
        run_id = self._pick(self.world.messages, index)
        self.world.messages.remove(run_id)
        self._claim(run_id)

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEX)
    def deliver_and_keep(self, index: int) -> None:
        self._claim(self._pick(self.world.messages, index))

    @precondition(lambda self: self.world.messages)
    @rule(index=INDEX)
    def lose_message(self, index: int) -> None:
        self.world.messages.remove(self._pick(self.world.messages, index))

    # --- what runners do, whether or not they still hold their run

    @precondition(lambda self: self.working)
    @rule(index=INDEX)
    def heartbeat(self, index: int) -> None:
        self.world.renew(self._pick(self.working, index).claimed)

    @precondition(lambda self: self.working)
    @rule(index=INDEX)
    def reach_the_target(self, index: int) -> None:
        self.world.target.enter(self._pick(self.working, index).claimed)

    @precondition(lambda self: self.working)
    @rule(index=INDEX)
    def commit_rows(self, index: int) -> None:
        self._commit(self._pick(self.working, index))

    @precondition(lambda self: self.working)
    @rule(index=INDEX)
    def finish(self, index: int) -> None:
        self._finish(self._pick(self.working, index))

    @precondition(lambda self: self.working)
    @rule(index=INDEX, ending=st.sampled_from(["transient", "permanent", "released"]))
    def end_without_rows(self, index: int, ending: str) -> None:
        runner = self._pick(self.working, index)
        self.working.remove(runner)
        # A child that says "failed" has looked into the ledger and written nothing.
        if runner.claimed.run_id in self.world.target.ledger and ending in {"transient", "permanent"}:
            return
        self.world.finish(runner.claimed, self._ending(runner, ending))

    @precondition(lambda self: self.working)
    @rule(index=INDEX, committed=st.booleans())
    def kill(self, index: int, committed: bool) -> None:
        runner = self._pick(self.working, index)
        if committed:
            self._commit(runner)
        self.working.remove(runner)

    @precondition(lambda self: self.working)
    @rule(index=INDEX, committed=st.booleans(), cancelled=st.booleans())
    def lose_the_child(self, index: int, committed: bool, cancelled: bool) -> None:
        """The runner lives on and reports it; a cancel may have come just before."""
        runner = self._pick(self.working, index)
        if committed:
            self._commit(runner)
        if cancelled and runner.claimed.run_id not in self.over:
            self.world.do(self.world.service.cancel(TENANT, runner.claimed.run_id))
        self.working.remove(runner)
        self.world.finish(runner.claimed, self._ending(runner, "lost"))

    # --- what time does

    @rule(seconds=st.sampled_from([1, 29, 400]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.pass_by(seconds)

    @rule(seconds=st.sampled_from([0, 7, 31, 31, 90, LIMIT]))
    def upkeep_looks(self, seconds: int) -> None:
        self.world.clock.pass_by(seconds)
        self.world.upkeep()

    @rule()
    def lease_ends_and_the_next_attempt_is_due(self) -> None:
        for _ in range(2):
            self.world.clock.pass_by(31)
            self.world.upkeep()

    # --- what always holds

    @invariant()
    def promises_are_kept(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.relay()
        runs, events, attempts = self.world.everything()
        for run in runs:
            self._check(run)
        held = [run.active_key for run in runs if run.active_key]
        assert len(held) == len(set(held)), "one active run for each table"
        commits: dict[str, list[int]] = {}
        for key, fence in self.world.target.commits:
            commits.setdefault(key, []).append(fence)
        assert all(fences == sorted(set(fences)) for fences in commits.values())
        assert len(attempts) == len({attempt.fence for attempt in attempts})
        self._check_events({run.id: run for run in runs}, events)

    def _check(self, run: Run) -> None:
        run_id, state = RunId(run.id), State(run.state)
        before = self.seen.get(run_id, (0, 0))
        assert (run.fence, run.state_seq) >= before, "fences and steps only grow"
        self.seen[run_id] = (run.fence, run.state_seq)
        assert run.charged <= run.max_attempts
        assert run.charged <= run.attempt
        assert (run.lease_until is not None) == (state in LEASED)
        assert (run.active_key is None) == (state in TERMINAL or run.waiting_behind)
        if run_id in self.over:
            assert self.over[run_id] == (run.state, run.state_seq), "a run that is over never changes"
        if state in TERMINAL:
            self.over[run_id] = (run.state, run.state_seq)
            unknown = run.problem is not None and run.problem["code"] == "outcome_unknown"
            committed = run_id in self.world.target.ledger
            assert unknown or committed == (state is State.SUCCEEDED), "the state tells what the target has"

    def _check_events(self, runs: dict[Any, Run], events: list[RunEvent]) -> None:
        numbers: dict[Any, list[int]] = {}
        last: dict[Any, str] = {}
        for event in events:
            numbers.setdefault(event.run_id, []).append(event.seq)
            last[event.run_id] = event.type
        for run_id, run in runs.items():
            assert numbers[run_id] == list(range(1, run.event_seq + 1)), "events have no gaps"
            assert last[run_id] == run.state

    # --- the steps of a runner

    def _claim(self, run_id: RunId) -> None:
        claimed = self.world.claim(run_id)
        if claimed is None:
            return
        runner = Runner(claimed)
        if claimed.settling:
            state = self.world.finish(claimed, self._verdict(claimed))
            assert state in TERMINAL
        else:
            self.working.append(runner)

    def _verdict(self, claimed: Claimed) -> endings.Ending:
        if claimed.cancelling:
            return endings.stopped()
        if claimed.seconds_left <= 0:
            return endings.out_of_time(claimed.timeout_seconds)
        return self._ending(Runner(claimed), "lost")

    def _commit(self, runner: Runner) -> None:
        fresh = self.world.target.commit(runner.claimed)
        if fresh is not None:
            runner.committed, runner.adopted = True, not fresh

    def _finish(self, runner: Runner) -> None:
        """See the work through; a cancel that a heartbeat brings stops it."""
        self.working.remove(runner)
        state = self.world.renew(runner.claimed)
        if state is State.CANCELLING and not runner.committed:
            self.world.finish(runner.claimed, endings.stopped())
            return
        self._commit(runner)
        if runner.committed:
            self.world.finish(runner.claimed, endings.success({}, adopted=runner.adopted))
        else:
            self.world.finish(runner.claimed, self._ending(runner, "transient"))

    def _ending(self, runner: Runner, kind: str) -> endings.Ending:
        if kind == "released":
            return endings.released()
        trouble = {"transient": BROKEN, "permanent": WRONG, "lost": endings.lost("killed")}[kind]
        claimed = runner.claimed
        return endings.failure(
            trouble, charged=claimed.charged, maximum=claimed.max_attempts, jitter=lambda longest: longest
        )

    def _come_to_rest(self) -> None:
        """Once the faults stop, every run ends, and no message is left."""
        for _ in range(60):
            self.world.clock.pass_by(61)
            self.world.upkeep()
            while self.world.messages:
                self._claim(self.world.messages.pop(0))
            for runner in list(self.working):
                self._finish(runner)
            self.promises_are_kept()
            if all(State(run.state) in TERMINAL for run in self.world.runs()):
                break
        assert all(State(run.state) in TERMINAL for run in self.world.runs()), "no run is stuck"
        assert not [run for run in self.world.runs() if run.active_key]

    @staticmethod
    def _pick(choices: list[Any], index: int) -> Any:
        return choices[index % len(choices)]


RunProtocol.TestCase.settings = settings(
    max_examples=int(os.environ.get("PENSTOCK_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRunProtocol = pytest.mark.timeout(300)(RunProtocol.TestCase)

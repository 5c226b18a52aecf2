import pytest

from services.etl.runs import endings
from services.etl.runs.endings import BACKOFF, Ending, Kind, Outcome, Trouble
from services.etl.runs.states import Event


def longest(seconds: float) -> float:
    return seconds


def ending_of(kind: Kind, *, charged: int = 1, maximum: int = 5, retry_after: float | None = None) -> Ending:
    trouble = Trouble("target_away", "The target is away.", kind, retry_after=retry_after)
    return endings.failure(trouble, charged=charged, maximum=maximum, jitter=longest)


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.THROTTLED, Kind.LOST])
def test_what_may_pass_is_tried_again(kind: Kind) -> None:
    assert ending_of(kind).event is Event.RETRY


def test_a_permanent_error_fails_at_once() -> None:
    assert ending_of(Kind.PERMANENT).event is Event.FAIL


def test_the_last_attempt_that_counts_ends_in_dead() -> None:
    assert ending_of(Kind.TRANSIENT, charged=4).event is Event.RETRY
    assert ending_of(Kind.TRANSIENT, charged=5).event is Event.EXHAUST


def test_the_wait_doubles_up_to_its_cap() -> None:
    waits = [ending_of(Kind.TRANSIENT, charged=n, maximum=99).after for n in range(1, 12)]
    backoff = BACKOFF[Kind.TRANSIENT]
    assert waits[:3] == [backoff.base, backoff.base * 2, backoff.base * 4]
    assert waits[-1] == backoff.cap
    assert ending_of(Kind.TRANSIENT, charged=10_000, maximum=99_999).after == backoff.cap


def test_the_jitter_draws_from_nothing_to_the_whole_wait() -> None:
    trouble = Trouble("target_away", "The target is away.", Kind.TRANSIENT)
    ending = endings.failure(trouble, charged=3, maximum=5, jitter=lambda _: 0.0)
    assert ending.after == 0.0


def test_a_throttled_run_waits_as_long_as_it_was_told() -> None:
    assert ending_of(Kind.THROTTLED, retry_after=3_600.0).after == 3_600.0


def test_a_lost_attempt_is_written_down_as_lost() -> None:
    assert ending_of(Kind.LOST).outcome is Outcome.LOST
    assert ending_of(Kind.TRANSIENT).outcome is Outcome.FAILED


def test_a_released_run_comes_back_at_once_and_uncharged() -> None:
    ending = endings.released()
    assert (ending.event, ending.after, ending.charged) == (Event.RETRY, 0.0, False)


def test_a_run_that_could_not_begin_waits_longer_each_time_and_uncharged() -> None:
    trouble = Trouble("service_unreachable", "System is away.", Kind.TRANSIENT)
    found = [endings.postponed(trouble, times=times, jitter=longest) for times in (1, 2, 3, 99)]
    assert {(one.event, one.charged) for one in found} == {(Event.RETRY, False)}
    assert [one.after for one in found] == [2.0, 4.0, 8.0, 60.0]


def test_an_attempt_that_was_cut_off_leaves_a_doubt() -> None:
    assert endings.stopped().cut_off
    assert endings.released().cut_off
    assert endings.out_of_time(5).cut_off
    assert ending_of(Kind.LOST).cut_off
    assert not ending_of(Kind.TRANSIENT).cut_off
    assert not endings.success({}, adopted=False).cut_off

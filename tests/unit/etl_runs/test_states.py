import pytest

from services.etl.runs.states import LEASED, TERMINAL, TRANSITIONS, Event, State, TransitionRefused, advance


def test_a_run_that_is_over_goes_nowhere() -> None:
    for state in TERMINAL:
        for event in Event:
            with pytest.raises(TransitionRefused):
                advance(state, event)


def test_the_terminal_states_are_the_five_ends_of_a_run() -> None:
    ends = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT, State.DEAD}
    assert ends == TERMINAL


def test_every_state_is_reached_and_every_other_state_is_left() -> None:
    reached = set(TRANSITIONS.values()) | {State.QUEUED}
    left = {source for source, _ in TRANSITIONS}
    assert reached == set(State)
    assert left == set(State) - TERMINAL


def test_a_cancelled_run_is_never_tried_again() -> None:
    """Kestra resubmitted killed executions: whatever ends a cancelling run, it ends."""
    following = {target for (source, _), target in TRANSITIONS.items() if source is State.CANCELLING}
    assert following == {State.CANCELLING, State.CANCELLED, State.SUCCEEDED}


def test_only_a_leased_run_can_succeed() -> None:
    winners = {source for (source, event), _ in TRANSITIONS.items() if event is Event.SUCCEED}
    assert winners == LEASED


def test_a_refused_step_names_the_state() -> None:
    with pytest.raises(TransitionRefused, match="A run that is failed can't claim"):
        advance(State.FAILED, Event.CLAIM)

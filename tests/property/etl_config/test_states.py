"""The life of a data table: whatever happens in whatever order, the state says what is true."""

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.etl.tables.states import TRANSITIONS, Event, State, advance


class DataTableLife(RuleBasedStateMachine):
    """A model beside the table: what is configured, what was published, what is physically there."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.DRAFT
        self.wanted = 0
        self.published: int | None = None
        self.physical: object = None
        self.looked = True

    @rule()
    def edit(self) -> None:
        self.wanted += 1
        self.state = advance(self.state, Event.EDITED_APART)

    @precondition(lambda self: self.published is not None)
    @rule()
    def edit_back(self) -> None:
        assert self.published is not None
        self.wanted = self.published
        self.state = advance(self.state, Event.EDITED_BACK)

    @precondition(lambda self: self.physical in {None, self.published})
    @rule()
    def publish(self) -> None:
        self.published = self.physical = self.wanted
        self.looked = True
        self.state = advance(self.state, Event.PUBLISHED)

    @precondition(lambda self: self.published is not None)
    @rule()
    def somebody_drops_the_table(self) -> None:
        self.physical, self.looked = None, False

    @precondition(lambda self: self.published is not None)
    @rule()
    def somebody_changes_the_table(self) -> None:
        self.physical, self.looked = "something else", False

    @precondition(lambda self: self.published is not None)
    @rule()
    def somebody_puts_it_back(self) -> None:
        self.physical, self.looked = self.published, False

    @precondition(lambda self: self.published is not None and self.physical is not None)
    @rule()
    def adopt_what_is_there(self) -> None:
        self.wanted += 1
        self.published = self.physical = self.wanted
        self.looked = True
        self.state = advance(self.state, Event.ADOPTED)

    @precondition(lambda self: self.published is not None)
    @rule()
    def forget_the_publishes(self) -> None:
        self.published = self.physical = None
        self.state = advance(self.state, Event.FORGOTTEN)

    @precondition(lambda self: self.published is not None)
    @rule()
    def look(self) -> None:
        if self.physical != self.published:
            event = Event.SEEN_DIFFERENT
        elif self.wanted == self.published:
            event = Event.SEEN_AS_PUBLISHED
        else:
            event = Event.SEEN_BEHIND
        self.looked = True
        self.state = advance(self.state, event)

    @invariant()
    def a_draft_was_never_published(self) -> None:
        assert (self.state is State.DRAFT) == (self.published is None)

    @invariant()
    def synced_means_configured_as_published(self) -> None:
        if self.state is State.SYNCED:
            assert self.wanted == self.published

    @invariant()
    def pending_means_configured_apart(self) -> None:
        if self.state is State.PENDING:
            assert self.wanted != self.published

    @invariant()
    def a_ghost_is_one_exactly_as_long_as_the_last_look_says_so(self) -> None:
        if self.looked and self.published is not None:
            assert (self.state is State.GHOST) == (self.physical != self.published)


TestDataTableLife = DataTableLife.TestCase
TestDataTableLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_every_state_has_a_way_back_to_synced() -> None:
    assert all(TRANSITIONS[state, Event.PUBLISHED] is State.SYNCED for state in State)


def test_only_a_repair_leads_back_to_a_draft() -> None:
    back = {
        event
        for (state, event), after in TRANSITIONS.items()
        if after is State.DRAFT and state is not State.DRAFT
    }
    assert back == {Event.FORGOTTEN}

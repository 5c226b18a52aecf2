"""Counts add up or the run fails; work is made ahead, but not far."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.definition import Limits
from services.etl.pipeline.errors import CountsDiffer, SourceChanged, TooManyRejects
from services.etl.pipeline.overlap import Overlap
from services.etl.pipeline.tally import Tally


@dataclass
class Written:
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deduplicated: int = 0

    @property
    def written(self) -> int:
        return self.inserted + self.updated + self.unchanged


def rejected(*records: int) -> list[RejectedRow]:
    return [RejectedRow(record, "a", "x" * 500, "int64", "not_an_integer", "is not") for record in records]


def filled(limits: Limits, *, rejects: int = 0, kept: int = 100) -> Tally:
    counting = Tally(["csv", "filter_rows", "database_save"], limits, kept=kept)
    loaded = Context(step="csv", rejected=rejected(*range(1, rejects + 1)))
    counting.passed(0, rows_in=10, rows_out=10 - rejects, context=loaded)
    counting.keep("csv", loaded.rejected, [None] * rejects)
    counting.passed(1, rows_in=10 - rejects, rows_out=8 - rejects, context=Context("x", filtered_rows=2))
    counting.passed(2, rows_in=8 - rejects, rows_out=8 - rejects, context=Context("x"))
    return counting


def test_a_lost_row_fails_the_run() -> None:
    with pytest.raises(CountsDiffer):
        Tally(["csv"], Limits()).passed(0, rows_in=2, rows_out=1, context=Context("csv"))


def test_a_row_that_is_lost_between_two_steps_fails_the_run() -> None:
    counting = Tally(["csv", "sort_rows", "database_save"], Limits())
    counting.passed(0, rows_in=3, rows_out=3, context=Context("csv"))
    for at in (1, 2):
        counting.passed(at, rows_in=2, rows_out=2, context=Context("x"))
    with pytest.raises(CountsDiffer):
        counting.final(Written(inserted=2), bytes_read=7, size=7)


def test_rows_that_a_step_still_holds_have_not_come_to_it() -> None:
    counting = Tally(["csv", "join", "database_save"], Limits(max_rejects=1))
    counting.passed(0, rows_in=5, rows_out=5, context=Context("csv"))
    context = Context("join", rejected=rejected(1))
    counting.passing(1, rows_out=2, context=context)
    assert (counting.steps[1].rows_in, counting.counts(bytes_read=0).rejected) == (3, 1)
    context.added(1)
    with pytest.raises(CountsDiffer):
        counting.passing(1, rows_in=5, rows_out=4, context=context)
    counting.passing(1, rows_in=5, rows_out=5, context=context)
    assert (counting.steps[1].rows_in, counting.steps[1].rows_out, counting.rejected) == (5, 5, 1)


def test_final_counts_hold_every_row() -> None:
    counts = filled(Limits(max_rejects=3), rejects=3).final(
        Written(inserted=2, updated=1, unchanged=1, deduplicated=1), bytes_read=7, size=7
    )
    assert counts.read == counts.written + counts.filtered + counts.deduplicated + counts.rejected == 10
    assert (counts.filtered, counts.deduplicated, counts.rejected) == (2, 1, 3)
    assert all(step.add_up() for step in counts.steps)


def test_a_target_that_wrote_another_number_fails_the_run() -> None:
    with pytest.raises(CountsDiffer):
        filled(Limits()).final(Written(inserted=7), bytes_read=7, size=7)


def test_a_file_that_was_not_read_to_its_end_fails_the_run() -> None:
    with pytest.raises(SourceChanged):
        filled(Limits()).final(Written(inserted=8), bytes_read=6, size=7)


@pytest.mark.parametrize(
    ("limits", "final", "fails"),
    [
        (Limits(max_rejects=1), False, True),
        (Limits(max_rejects=2), False, False),
        (Limits(max_rejects=5, max_reject_ratio=0.1), False, False),
        (Limits(max_rejects=5, max_reject_ratio=0.1), True, True),
        (Limits(max_rejects=5, max_reject_ratio=0.2), True, False),
    ],
)
def test_limits_are_a_count_and_a_share(limits: Limits, final: bool, fails: bool) -> None:
    counting = filled(limits, rejects=2)
    if not fails:
        counting.check_limits(final=final)
        return
    with pytest.raises(TooManyRejects) as raised:
        counting.check_limits(final=final)
    assert "record 1, column a" in str(raised.value)


def test_rejects_are_counted_beyond_those_that_are_kept() -> None:
    counting = filled(Limits(max_rejects=9), rejects=5, kept=2)
    kept, unkept = counting.fresh_rejects(), counting.fresh_unkept()
    assert [len(kept), counting.rejected, len(counting.fresh_rejects())] == [2, 5, 0]
    assert [(kind.step, kind.column, kind.code, kind.rows) for kind in unkept] == [
        ("csv", "a", "not_an_integer", 3)
    ]
    assert counting.fresh_unkept() == []
    assert len(kept[0].value or "") == 200


class TestOverlap:
    async def test_items_come_in_order_and_not_far_ahead(self) -> None:
        made: list[int] = []

        def source() -> Iterator[int]:
            for item in range(50):
                made.append(item)
                yield item

        most, taken = 0, list[int]()
        async with Overlap(source(), ahead=2) as overlap:
            async for item in overlap:
                most = max(most, len(made) - len(taken))
                taken.append(item)
        assert taken == list(range(50))
        assert most <= 4
        assert await overlap.finished(seconds=5)

    async def test_an_error_of_the_source_comes_in_its_place(self) -> None:
        def source() -> Iterator[int]:
            yield 1
            raise SourceChanged(reason="gone")

        async with Overlap(source()) as overlap:
            items = aiter(overlap)
            assert await anext(items) == 1
            with pytest.raises(SourceChanged):
                await anext(items)

    async def test_leaving_ends_the_thread_that_waits_for_room(self) -> None:
        async with Overlap(iter(range(1000)), ahead=1) as overlap:
            async for _ in overlap:
                break
        assert await overlap.finished(seconds=5)

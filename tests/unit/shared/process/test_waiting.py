"""Waiting: what of a failure that goes on is worth a line in the log."""

from shared.process.waiting import Trouble


def test_a_failure_that_goes_on_is_told_ever_more_seldom() -> None:
    trouble = Trouble()
    told = [time for time in range(1, 1001) if trouble.is_news("nobody listens")]
    assert told == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def test_another_reason_is_news_at_once() -> None:
    trouble = Trouble()
    for _ in range(100):
        trouble.is_news("nobody listens")
    assert trouble.is_news("the password is wrong")
    assert trouble.times == 1


def test_what_works_again_is_told_once() -> None:
    trouble = Trouble()
    assert not trouble.over()
    trouble.is_news("nobody listens")
    assert trouble.over()
    assert not trouble.over()
    assert trouble.is_news("nobody listens")

"""Commands that end by themselves."""

import json

import pytest

from shared.errors import NotFound
from shared.process import command
from shared.process.command import Report


class NothingThere(NotFound):
    """There is no {thing}."""


@pytest.mark.parametrize(("is_well", "status"), [(True, 0), (False, 1)])
def test_what_was_found_is_printed_and_the_status_says_whether_it_is_well(
    capsys: pytest.CaptureFixture[str], is_well: bool, status: int
) -> None:
    async def work() -> Report:
        return Report([{"name": "é"}], is_well)

    assert command.run(work) == status
    assert json.loads(capsys.readouterr().out) == [{"name": "é"}]


def test_an_error_of_ours_is_one_line_and_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> Report:
        raise NothingThere(thing="table")

    assert command.run(work) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "There is no table.\n")

"""From any configuration to any other, on each database: the table is what was wanted, and rows are kept.

With PENSTOCK_TESTS_PAIRS=n every test plays n pairs that nobody has seen yet; without, always the same ones.
"""

import os
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from services.etl.tables.dialects import DIALECTS

from .conftest import Room
from .pairs import Pair, Story, pairs

pytestmark = pytest.mark.asyncio(loop_scope="module")

_INVENTED: Final = os.environ.get("PENSTOCK_TESTS_PAIRS")
SECONDS: Final = 1800


def examples(count: int) -> Callable[[Any], Any]:
    """Settings for so many pairs. What fails is told at once: smaller ones would take minutes to be found."""
    return settings(
        max_examples=int(_INVENTED or count),
        derandomize=_INVENTED is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


few, many = examples(40), examples(500)


async def played(room: Room, pair: Pair) -> None:
    """The story of a pair."""
    async with room() as database:
        await Story(database, pair).play()


@given(pair=pairs(DIALECTS["sqlite"]))
@few
async def test_every_change_on_sqlite_ends_in_what_was_wanted_and_keeps_rows(
    pair: Pair, sqlite: Room
) -> None:
    await played(sqlite, pair)


@pytest.mark.postgres
@given(pair=pairs(DIALECTS["postgresql"]))
@few
async def test_every_change_on_postgresql_ends_in_what_was_wanted_and_keeps_rows(
    pair: Pair, postgresql: Room
) -> None:
    await played(postgresql, pair)


@pytest.mark.mariadb
@given(pair=pairs(DIALECTS["mysql"]))
@few
async def test_every_change_on_mysql_ends_in_what_was_wanted_and_keeps_rows(pair: Pair, mysql: Room) -> None:
    await played(mysql, pair)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@given(pair=pairs(DIALECTS["sqlite"]))
@many
async def test_many_changes_on_sqlite_end_in_what_was_wanted_and_keep_rows(pair: Pair, sqlite: Room) -> None:
    await played(sqlite, pair)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.postgres
@given(pair=pairs(DIALECTS["postgresql"]))
@many
async def test_many_changes_on_postgresql_end_in_what_was_wanted_and_keep_rows(
    pair: Pair, postgresql: Room
) -> None:
    await played(postgresql, pair)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.mariadb
@given(pair=pairs(DIALECTS["mysql"]))
@many
async def test_many_changes_on_mysql_end_in_what_was_wanted_and_keep_rows(pair: Pair, mysql: Room) -> None:
    await played(mysql, pair)

"""From any configuration to any other, on each database: the table is what was wanted, and rows are kept."""

import os
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings

from services.etl.tables.dialects import DIALECTS

from .conftest import Room
from .pairs import Pair, Story, pairs

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW: Final = 40
MANY: Final = 500
_INVENTED: Final = os.environ.get("PENSTOCK_TESTS_PAIRS")
"""How many pairs that nobody has seen yet; without it they are the same every time."""


def examples(count: int) -> Callable[[Any], Any]:
    """Settings for so many pairs."""
    return settings(
        max_examples=int(_INVENTED or count),
        derandomize=_INVENTED is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


async def played(room: Room, pair: Pair) -> None:
    """The story of a pair."""
    async with room() as database:
        await Story(database, pair).play()


class TestSqlite:
    @given(pair=pairs(DIALECTS["sqlite"]))
    @examples(FEW)
    async def test_every_change_ends_in_what_was_wanted_and_keeps_rows(
        self, pair: Pair, sqlite: Room
    ) -> None:
        await played(sqlite, pair)


@pytest.mark.postgres
class TestPostgresql:
    @given(pair=pairs(DIALECTS["postgresql"]))
    @examples(FEW)
    async def test_every_change_ends_in_what_was_wanted_and_keeps_rows(
        self, pair: Pair, postgresql: Room
    ) -> None:
        await played(postgresql, pair)


@pytest.mark.mariadb
class TestMysql:
    @given(pair=pairs(DIALECTS["mysql"]))
    @examples(FEW)
    async def test_every_change_ends_in_what_was_wanted_and_keeps_rows(self, pair: Pair, mysql: Room) -> None:
        await played(mysql, pair)

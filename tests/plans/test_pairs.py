"""From any configuration to any other, on each database: the table is what was wanted, and rows are kept.

With PENSTOCK_TESTS_PAIRS=n every test plays n pairs that nobody has seen yet; without, always the same ones.
"""

from typing import Final

import pytest

from services.etl.tables.dialects import DIALECTS

from .collecting import collected
from .conftest import Room
from .pairs import Story

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW: Final = 40
MANY: Final = 500
SECONDS: Final = 1800


async def played(name: str, room: Room, count: int) -> None:
    """The stories of so many pairs."""
    for pair in collected(DIALECTS[name], count):
        async with room() as database:
            await Story(database, pair).told()


async def test_every_change_on_sqlite_ends_in_what_was_wanted_and_keeps_rows(sqlite: Room) -> None:
    await played("sqlite", sqlite, FEW)


@pytest.mark.postgres
async def test_every_change_on_postgresql_ends_in_what_was_wanted_and_keeps_rows(postgresql: Room) -> None:
    await played("postgresql", postgresql, FEW)


@pytest.mark.mariadb
async def test_every_change_on_mysql_ends_in_what_was_wanted_and_keeps_rows(mysql: Room) -> None:
    await played("mysql", mysql, FEW)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
async def test_many_changes_on_sqlite_end_in_what_was_wanted_and_keep_rows(sqlite: Room) -> None:
    await played("sqlite", sqlite, MANY)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.postgres
async def test_many_changes_on_postgresql_end_in_what_was_wanted_and_keep_rows(postgresql: Room) -> None:
    await played("postgresql", postgresql, MANY)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.mariadb
async def test_many_changes_on_mysql_end_in_what_was_wanted_and_keep_rows(mysql: Room) -> None:
    await played("mysql", mysql, MANY)

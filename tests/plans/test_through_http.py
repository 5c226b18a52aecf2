"""The same stories as everybody tells them to the service: drafts, edits, plans and applies by HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

import pytest
import pytest_asyncio

from services.etl.tables.dialects import DIALECTS
from shared.contracts.connection import SqliteConnection
from shared.db import migrations
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House

from .collecting import collected
from .conftest import Room
from .databases import Database, Resource
from .definitions import folded
from .pairs import Pair, Story
from .scenes import AFTER, BEFORE, Scene, rows
from .serving import ServedTable
from .sqlite import SqliteDatabase

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOME: Final = 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    url = f"sqlite+aiosqlite:///{folder / 'etl.db'}"
    await asyncio.to_thread(migrations.upgrade, url, "etl")
    async with houses.running(folder, url) as running:
        yield running


@pytest.fixture(scope="module")
def files(house: House, sqlite: Room) -> Room:
    """SQLite files where the house has them."""
    root = house.settings.sqlite_root
    assert root is not None

    @asynccontextmanager
    async def room() -> AsyncIterator[Database]:
        async with sqlite() as database:
            info = database.resource.connection
            assert isinstance(info, SqliteConnection)
            yield SqliteDatabase(Resource(info, root, "acme"))

    return room


def has_own_names(pair: Pair) -> bool:
    """The service takes a new column under the name of one that was there for that one."""
    ids = {column.id for column in pair.before.columns}
    names = {folded(column.name) for column in pair.before.columns}
    return all(one.id in ids or folded(one.name) not in names for one in pair.after.columns)


class ServedContract:
    """A subclass gives the fixture `room`, and says for which dialect the pairs are."""

    name: ClassVar[str]

    async def test_a_change_ends_in_what_was_wanted(self, house: House, room: Room) -> None:
        for pair in collected(DIALECTS[self.name], SOME, fit=has_own_names):
            async with room() as database:
                story = Story(database, pair)
                story.publisher = ServedTable(house, database, (story.place, pair.before))
                await story.told()

    async def test_one_of_those_who_apply_a_plan_at_once_wins(self, house: House, room: Room) -> None:
        async with room() as database:
            scene = Scene(database)
            table = ServedTable(house, database, (scene.place, BEFORE))
            await table.publish()
            await database.insert(scene.place, BEFORE, rows())
            table.edit(scene.new_place, AFTER)
            plan, _ = await table.plan()
            body = {"plan_hash": plan.hash, "confirm": table.confirm}
            path = f"/data-tables/{table.table['id']}/apply"

            answers = await asyncio.gather(*(house.call("POST", path, body=body) for _ in range(3)))

            assert sorted(answer.status for answer in answers) == [200, 409, 409]
            assert len(await database.rows(scene.new_place, AFTER)) == len(rows())
            assert (await house.plan(table.table))["kind"] == "none"


class TestSqlite(ServedContract):
    name = "sqlite"

    @pytest.fixture
    def room(self, files: Room) -> Room:
        return files


@pytest.mark.postgres
class TestPostgresql(ServedContract):
    name = "postgresql"

    @pytest.fixture
    def room(self, postgresql: Room) -> Room:
        return postgresql


@pytest.mark.mariadb
class TestMysql(ServedContract):
    name = "mysql"

    @pytest.fixture
    def room(self, mysql: Room) -> Room:
        return mysql

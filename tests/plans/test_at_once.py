"""Two who apply the same plan, and a table that somebody changes between the plan and its apply."""

import asyncio

import pytest

from services.etl.tables.errors import ChecksFailed, PlanOutdated
from shared.errors import Conflict, Loc

from .conftest import Room
from .databases import Database
from .publishing import Publisher
from .scenes import BEFORE, COLUMNS, Scene, rows

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLERS = 3


class AtOnceContract:
    """A subclass gives the fixture `room`."""

    async def test_one_of_those_who_apply_a_plan_at_once_wins(self, room: Room) -> None:
        async with room() as database:
            scene = Scene(database)
            await scene.ready()
            plan, _ = await scene.publisher.plan()
            scene.publisher.begin()
            callers = [self.caller(database, scene) for _ in range(CALLERS)]

            ended = await asyncio.gather(
                *(caller.apply(plan.hash) for caller in callers), return_exceptions=True
            )

            refused = [one for one in ended if isinstance(one, BaseException)]
            assert {type(one) for one in refused} == {PlanOutdated}, refused
            assert len(refused) == CALLERS - 1
            scene.publisher.finish()
            await scene.require_done()

    def caller(self, database: Database, scene: Scene) -> Publisher:
        return Publisher(database.resource.open(), database.dialect, scene.publisher.wanted)

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE {table} ADD COLUMN surprise int",
            "ALTER TABLE {table} RENAME TO {other}",
            "ALTER TABLE {table} DROP COLUMN {old}",
            "CREATE UNIQUE INDEX surprise ON {index_table} ({old})",
            "DROP TABLE {table}",
        ],
    )
    async def test_a_table_that_was_changed_behind_our_back_is_not_touched(
        self, room: Room, change: str
    ) -> None:
        async with room() as database:
            scene = Scene(database)
            await scene.ready()
            plan, _ = await scene.publisher.plan()
            await self.changed(database, scene, change)
            before = await database.picture()

            with pytest.raises(Conflict):
                await scene.publisher.apply(plan.hash)

            assert await database.picture() == before

    async def changed(self, database: Database, scene: Scene, change: str) -> None:
        dialect = database.dialect
        await database.execute(
            change.format(
                table=dialect.at(scene.place),
                index_table=dialect.indexed(scene.place),
                other=dialect.quote("somewhere else"),
                old=dialect.quote("old"),
            )
        )

    @pytest.mark.parametrize(
        ("values", "place"),
        [
            ({"code": "no number"}, ("columns", 2, "type")),
            ({"code": "1"}, ("unique_keys", 1)),  # as a text it's another one than 0001
            ({"price": None}, ("columns", 3, "nullable")),
        ],
    )
    async def test_a_row_that_came_after_the_plan_is_seen_by_the_apply(
        self, room: Room, values: dict[str, object], place: Loc
    ) -> None:
        async with room() as database:
            scene = Scene(database)
            await scene.ready()
            plan, _ = await scene.publisher.plan()
            late = {"number": -1, "code": "-1"} | values
            row = rows()[0] | {COLUMNS[name]: value for name, value in late.items()}
            await database.insert(scene.place, BEFORE, [row])
            before = await database.picture()

            with pytest.raises(ChecksFailed) as failed:
                await scene.publisher.apply(plan.hash)

            assert [fault.loc for fault in failed.value.all_faults()] == [place]
            assert await database.picture() == before


class TestSqlite(AtOnceContract):
    @pytest.fixture
    def room(self, sqlite: Room) -> Room:
        return sqlite


@pytest.mark.postgres
class TestPostgresql(AtOnceContract):
    @pytest.fixture
    def room(self, postgresql: Room) -> Room:
        return postgresql


@pytest.mark.mariadb
class TestMysql(AtOnceContract):
    @pytest.fixture
    def room(self, mysql: Room) -> Room:
        return mysql

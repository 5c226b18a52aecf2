import sqlite3
from pathlib import Path

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS, Dialect, Sql
from services.etl.tables.errors import TargetBusy
from services.etl.tables.targets import Target, Targets
from shared.contracts.connection import SqliteConnection
from shared.engines.errors import ConnectRefused

from .conftest import handed_out
from .target_contract import TABLE_ID, TargetContract, every_type


class TestSqliteTarget(TargetContract):
    @pytest.fixture
    def target(self, sqlite: Target) -> Target:
        return sqlite

    @pytest.fixture
    def dialect(self) -> Dialect:
        return DIALECTS["sqlite"]

    @pytest.fixture
    def location(self) -> Location:
        return Location(None, "All Types")

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "sqlite" / "default" / "warehouse.db"

    async def test_looking_makes_no_file(self, target: Target, location: Location, file: Path) -> None:
        await target.look(location, TABLE_ID)

        assert not file.exists()

    async def test_a_view_that_has_taken_the_name_is_seen(
        self, target: Target, dialect: Dialect, location: Location, file: Path
    ) -> None:
        await self.published(target, dialect, self.wanted(Location(None, "other"), every_type()))
        with sqlite3.connect(file) as connection:
            connection.execute('CREATE VIEW "ALL TYPES" AS SELECT 1')
        connection.close()

        seen = await target.look(location, TABLE_ID)

        assert seen.physical is not None
        assert seen.physical.kind == "view"

    async def test_a_writer_that_holds_the_file_is_waited_for_and_then_named(
        self, target: Target, dialect: Dialect, location: Location, file: Path
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(TargetBusy):
                await target.apply(location, TABLE_ID, lambda _: [Sql("SELECT 1")])
        finally:
            holder.close()

    async def test_a_file_that_is_not_to_be_made_must_be_there(self, targets: Targets) -> None:
        target = targets.open(handed_out(SqliteConnection(file="missing.db")))

        with pytest.raises(ConnectRefused):
            await target.look(Location(None, "t"), TABLE_ID)

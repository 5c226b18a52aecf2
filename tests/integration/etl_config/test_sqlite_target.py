import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.etl.tables import plan as planning
from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS, Dialect, Sql
from services.etl.tables.errors import NameTaken, TargetBusy, TargetRefused
from services.etl.tables.targets import Target, Targets
from services.etl.tables.targets import sqlite as module
from shared.contracts.connection import SqliteConnection
from shared.engines.errors import ConnectRefused

from .conftest import handed_out
from .target_contract import TABLE_ID, TransactionalContract, every_type


class TestSqliteTarget(TransactionalContract):
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

    @pytest.mark.parametrize(
        "change",
        [
            "comments = 'nonsense'",
            "comments = '[1]'",
            """comments = '{"table": 1}'""",
            """comments = '{"columns": {"a": "\\ud800"}}'""",
            """comments = '{"table": "\\u0000"}'""",
            "comments = x'7b7d'",
            "comments = CAST(x'ff' AS TEXT)",
            "comments = replace(hex(zeroblob(100000)), '0', '[')",
            "fingerprint = x'00'",
            "revision = 'one'",
        ],
    )
    async def test_a_mark_that_is_not_ours_in_type_and_shape_is_none(
        self, target: Target, dialect: Dialect, location: Location, file: Path, change: str
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))
        self.run(file, f"UPDATE _penstock_tables SET {change}")

        seen = await target.look(location, TABLE_ID)

        assert seen.mark is None
        assert seen.physical is not None
        json.dumps(seen.to_json(), ensure_ascii=False).encode()

    @pytest.mark.parametrize(
        ("comments", "reason"),
        [
            ("comments AS (zeroblob(300000000))", "too long"),
            ("other", "isn't one that Penstock made"),
        ],
    )
    async def test_a_table_of_marks_that_is_not_ours_is_refused_with_what_to_do(
        self, target: Target, location: Location, file: Path, comments: str, reason: str
    ) -> None:
        file.parent.mkdir(parents=True)
        self.run(
            file,
            f"CREATE TABLE _penstock_tables (table_id, table_name, revision, fingerprint, {comments})",
            f"INSERT INTO _penstock_tables (table_id, table_name) VALUES ('{TABLE_ID}', 'All Types')",
        )
        with pytest.raises(TargetRefused, match=reason):
            await target.look(location, TABLE_ID)

    async def test_a_look_ends_in_time(
        self, target: Target, location: Location, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.parent.mkdir(parents=True)
        self.run(
            file,
            "CREATE TABLE _penstock_tables (table_id, table_name, revision, fingerprint, comments)",
            "INSERT INTO _penstock_tables (table_id) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1"
            " FROM n LIMIT 20000) SELECT x FROM n",
        )
        monkeypatch.setattr(module, "_SECONDS", -1.0)
        with pytest.raises(TargetRefused, match="more than a minute"):
            await target.look(location, TABLE_ID)

    @pytest.mark.parametrize("taken", ["CREATE TABLE ONE (a)", "CREATE INDEX One ON t (a)"])
    async def test_a_key_named_as_something_else_is_seen_when_planning(
        self, target: Target, dialect: Dialect, location: Location, file: Path, taken: str
    ) -> None:
        file.parent.mkdir(parents=True)
        self.run(file, "CREATE TABLE t (a)", taken)
        seen = await target.look(location, TABLE_ID)
        with pytest.raises(NameTaken) as caught:
            planning.make(self.wanted(location, every_type()), seen, dialect)
        assert [fault.loc for fault in caught.value.all_faults()] == [("unique_keys", 0, "name")]

    def run(self, file: Path, *statements: str) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def test_a_file_that_is_not_to_be_made_must_be_there(self, targets: Targets) -> None:
        target = targets.open(handed_out(SqliteConnection(file="missing.db")))

        with pytest.raises(ConnectRefused):
            await target.look(Location(None, "t"), TABLE_ID)

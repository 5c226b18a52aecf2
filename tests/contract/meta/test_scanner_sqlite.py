"""The scanner suite on SQLite, and what only SQLite does."""

from pathlib import Path
from sqlite3 import Connection

import pytest

from services.meta.scanners import _sqlite_catalog as catalog
from services.meta.scanners._base import Surroundings
from services.meta.scanners._model import TableFilter, TableInfo, Unit
from services.meta.scanners.sqlite import SqliteScanner, _File
from shared.contracts.connection import SqliteConnection
from tests.contract.meta.scanners import ScannerContract, scan
from tests.contract.meta.targets import LOOPBACK, SqliteTarget, resource


@pytest.fixture
async def server(tmp_path: Path) -> SqliteTarget:
    target = SqliteTarget(tmp_path)
    await target.run()
    return target


class TestSqliteScanner(ScannerContract):
    async def test_a_broken_view_is_a_failure_and_stops_no_other(self, server: SqliteTarget) -> None:
        await server.run(
            "CREATE TABLE good (id INTEGER PRIMARY KEY)",
            "CREATE TABLE gone (id INTEGER)",
            "CREATE VIEW broken AS SELECT id FROM gone",
            "DROP TABLE gone",
        )
        seen = await scan(server)
        assert set(seen.tables) == {"good"}
        assert [(failure.table, failure.schema) for failure in seen.failures] == [("broken", "main")]
        assert seen.listed("main") == frozenset({"good", "broken"})

    async def test_rows_are_counted_and_sizes_measured(self, server: SqliteTarget) -> None:
        await server.run(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)",
            "CREATE INDEX i ON t (x)",
            "INSERT INTO t (x) SELECT value FROM json_each('[1, 2, 3]')",
        )
        table = (await scan(server)).tables["t"]
        assert table.row_count == 3
        assert table.data_size_bytes == 4096
        assert table.index_size_bytes == 4096

    async def test_shadow_tables_are_hidden_and_virtual_ones_name_their_module(
        self, server: SqliteTarget
    ) -> None:
        await server.run(
            "CREATE VIRTUAL TABLE pages USING fts5(body)", "CREATE TABLE w (k TEXT PRIMARY KEY) WITHOUT ROWID"
        )
        tables = (await scan(server)).tables
        assert {name: table.engine for name, table in tables.items()} == {
            "pages": "fts5",
            "w": "without rowid",
        }
        assert not tables["w"].fields[0].is_nullable

    @pytest.mark.parametrize("inside", ["views", "expressions"])
    async def test_views_that_grow_without_bound_are_failures_and_cost_no_table(
        self, server: SqliteTarget, inside: str
    ) -> None:
        if inside == "views":
            grown = [
                f'CREATE VIEW v{n} AS SELECT x.a FROM "V{n - 1}" x JOIN [v{n - 1}] y' for n in range(1, 40)
            ]
        else:
            parts = ", ".join(
                f"w{n} (a) AS MATERIALIZED (SELECT x.a FROM w{n - 1} x, w{n - 1})" for n in range(1, 40)
            )
            grown = [f"CREATE VIEW v39 AS WITH w0 AS (SELECT 1 AS a), {parts} SELECT * FROM w39"]
        await server.run("CREATE TABLE zoo (a INTEGER)", "CREATE VIEW v0 AS SELECT a FROM zoo", *grown)
        (database,) = await server.scanner().list_databases()
        assert database.table_count == 2 + len(grown)
        seen = await scan(server)
        assert {"zoo", "v0"} <= set(seen.tables)
        reasons = {failure.table: failure.reason for failure in seen.failures}
        assert "too many other views" in reasons["v39"]
        assert seen.listed("main") == frozenset({"zoo", "v0", *seen.tables, *reasons})

    async def test_views_that_are_left_when_the_time_is_over_are_failures(
        self, server: SqliteTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await server.run(
            "CREATE TABLE t (a INTEGER)", *(f"CREATE VIEW v{n} AS SELECT a FROM t" for n in "123")
        )
        read = catalog.read_tables

        def slow(connection: Connection, names: str, volumes: dict[str, catalog.Volume]) -> list[TableInfo]:
            if "v2" in names:
                monkeypatch.setattr(_File, "_must_stop", lambda _: True)
            return read(connection, names, volumes)

        monkeypatch.setattr(catalog, "read_tables", slow)
        seen = await scan(server)
        assert set(seen.tables) == {"t", "v1", "v2"}
        assert [(each.table, each.reason) for each in seen.failures] == [("v3", "reading it took too long")]
        assert seen.listed("main") == frozenset({"t", "v1", "v2", "v3"})

    async def test_generated_and_numbered_columns_say_so(self, server: SqliteTarget) -> None:
        await server.run(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER,"
            " b INTEGER GENERATED ALWAYS AS (a + 1) STORED, c INTEGER AS (a + 2))"
        )
        fields = (await scan(server)).tables["t"].fields
        assert [field.extra for field in fields] == [
            "autoincrement",
            None,
            "generated always stored",
            "generated always virtual",
        ]

    async def test_a_foreign_key_without_columns_means_the_primary_key(self, server: SqliteTarget) -> None:
        await server.run(
            "CREATE TABLE Parent (code TEXT PRIMARY KEY)",
            "CREATE TABLE child (code TEXT REFERENCES parent)",
        )
        (key,) = (await scan(server)).tables["child"].keys
        assert key.referenced_columns == ("code",)

    async def test_checks_in_comments_and_strings_are_no_checks(self, server: SqliteTarget) -> None:
        await server.run(
            "CREATE TABLE t (a TEXT DEFAULT 'CHECK (1)', -- CHECK (2)\n"
            " b INTEGER /* CHECK (3) */ CHECK ((b) > 0))"
        )
        (check,) = (await scan(server)).tables["t"].constraints
        assert (check.name, check.definition) == (None, "CHECK ((b) > 0)")

    async def test_a_file_that_is_still_to_be_made_is_an_empty_database(self, tmp_path: Path) -> None:
        scanner = SqliteScanner(
            resource(SqliteConnection(file="later.db", create=True)),
            Surroundings(LOOPBACK, sqlite_root=tmp_path),
        )
        (found,) = await scanner.list_databases()
        assert (found.name, found.table_count) == ("main", 0)
        units = [part async for part in scanner.scan("main", TableFilter())]
        assert isinstance(units[-1], Unit)
        assert units[-1].listed == frozenset()
        assert list(tmp_path.iterdir()) == []

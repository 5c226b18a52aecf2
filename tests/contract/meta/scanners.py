"""What every scanner does, whatever it scans. Not collected itself: one subclass for each kind of server."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

import pytest

from services.meta.scanners._base import Scanner
from services.meta.scanners._model import (
    SchemaList,
    TableFailure,
    TableFilter,
    TableInfo,
    TablePattern,
    Unit,
)
from shared.engines.errors import ConnectFailed

SHOP = (
    """CREATE TABLE customer (id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL UNIQUE,
       name TEXT DEFAULT 'nobody', born DATE)""",
    """CREATE TABLE purchase (customer_id INTEGER NOT NULL, number INTEGER NOT NULL, total NUMERIC(12, 2),
       CONSTRAINT total_is_positive CHECK (total > 0), PRIMARY KEY (number, customer_id),
       FOREIGN KEY (customer_id) REFERENCES customer (id) ON DELETE CASCADE)""",
    "CREATE VIEW rich AS SELECT id, email FROM customer",
    'CREATE TABLE "Weird ""Name"" .a-b%_" ("Großes Feld" INTEGER)',
)
INDEX = "CREATE INDEX purchase_by_total ON purchase (total DESC, lower('x' || number)) WHERE total > 10"


class Server(Protocol):
    """A server that tests may change."""

    @property
    def database(self) -> str: ...
    @property
    def schema(self) -> str: ...
    async def run(self, *statements: str) -> None: ...
    def scanner(self, *, unit_tables: int = 500, wrong: bool = False) -> Scanner: ...


class Seen:
    """All that a scan yielded."""

    def __init__(self, found: Sequence[SchemaList | Unit]) -> None:
        first, *units = found
        assert isinstance(first, SchemaList)
        self.schemas = first.names
        self.units = [unit for unit in units if isinstance(unit, Unit)]

    @property
    def tables(self) -> dict[str, TableInfo]:
        return {table.name: table for unit in self.units for table in unit.tables}

    @property
    def failures(self) -> list[TableFailure]:
        return [failure for unit in self.units for failure in unit.failures]

    def listed(self, schema: str) -> frozenset[str] | None:
        (last,) = [unit for unit in self.units if unit.last and unit.schema == schema]
        return last.listed


async def scan(server: Server, wanted: TableFilter | None = None, *, unit_tables: int = 500) -> Seen:
    scanner = server.scanner(unit_tables=unit_tables)
    async with aclosing(scanner.scan(server.database, wanted or TableFilter())) as found:
        return Seen([each async for each in found])


class ScannerContract:
    """Fixture `server` is an empty database of the kind."""

    async def test_level_one_counts_tables_and_views(self, server: Server) -> None:
        await server.run(*SHOP)
        databases = {each.name: each for each in await server.scanner().list_databases()}
        found = databases[server.database]
        assert found.table_count == 4
        assert found.total_size_bytes is not None
        assert found.total_size_bytes > 0
        assert found.charset in {"UTF8", "UTF-8", "utf8mb4"}
        assert found.is_accessible

    async def test_level_two_finds_every_table_and_view_once(self, server: Server) -> None:
        await server.run(*SHOP)
        seen = await scan(server)
        names = [table.name for unit in seen.units for table in unit.tables]
        assert sorted(names) == sorted(["customer", "purchase", "rich", 'Weird "Name" .a-b%_'])
        assert seen.listed(server.schema) == frozenset(names)
        assert seen.failures == []

    async def test_fields_have_places_types_defaults_and_keys(self, server: Server) -> None:
        await server.run(*SHOP)
        fields = {field.name: field for field in (await scan(server)).tables["customer"].fields}
        assert [(each.name, each.position) for each in fields.values()] == [
            ("id", 1),
            ("email", 2),
            ("name", 3),
            ("born", 4),
        ]
        assert [fields[name].column_key for name in ("id", "email", "name")] == ["PRI", "UNI", None]
        assert not fields["id"].is_nullable
        assert not fields["email"].is_nullable
        assert fields["born"].is_nullable
        assert fields["email"].column_type.lower().endswith("(80)")
        assert "(" not in fields["email"].data_type
        assert (fields["name"].column_default or "").startswith("'nobody'")

    async def test_keys_keep_the_order_of_their_columns(self, server: Server) -> None:
        await server.run(*SHOP)
        keys = {key.kind: key for key in (await scan(server)).tables["purchase"].keys}
        assert keys["primary"].columns == ("number", "customer_id")
        foreign = keys["foreign"]
        assert foreign.columns == ("customer_id",)
        assert (foreign.referenced_table, foreign.referenced_columns) == ("customer", ("id",))
        assert foreign.on_delete == "cascade"
        assert foreign.on_update in {"no action", "restrict"}  # the default; InnoDB knows no difference

    async def test_indexes_keep_expressions_directions_and_conditions(self, server: Server) -> None:
        await server.run(*SHOP, INDEX)
        indexes = {index.name: index for index in (await scan(server)).tables["purchase"].indexes}
        index = indexes["purchase_by_total"]
        assert [part.column for part in index.parts] == ["total", None]
        assert [part.is_descending for part in index.parts] == [True, False]
        assert "lower" in (index.parts[1].expression or "")
        assert "total" in (index.predicate or "")
        assert not index.is_unique

    async def test_checks_are_found_with_their_names(self, server: Server) -> None:
        await server.run(*SHOP)
        (check,) = (await scan(server)).tables["purchase"].constraints
        assert (check.name, check.kind) == ("total_is_positive", "check")
        assert check.definition.upper().startswith("CHECK")

    async def test_views_have_fields_and_a_definition(self, server: Server) -> None:
        await server.run(*SHOP)
        view = (await scan(server)).tables["rich"]
        assert view.type == "view"
        assert [field.name for field in view.fields] == ["id", "email"]
        assert (view.definition or "").lstrip().upper().startswith("SELECT")
        assert view.row_count is None

    async def test_units_are_bounded_and_together_complete(self, server: Server) -> None:
        await server.run(*(f"CREATE TABLE t{number:02} (id INTEGER PRIMARY KEY)" for number in range(25)))
        seen = await scan(server, unit_tables=10)
        assert max(len(unit.tables) for unit in seen.units) == 10
        assert len(seen.tables) == 25
        assert [unit.last for unit in seen.units].count(True) == 1

    async def test_a_filter_takes_patterns_literally_but_for_star_and_question_mark(
        self, server: Server
    ) -> None:
        await server.run(
            *(f'CREATE TABLE "{name}" (id INTEGER)' for name in ("a_b", "axb", "a%b", "A_C", "[ab]"))
        )

        async def names(include: str, exclude: str | None = None) -> set[str]:
            patterns = (TablePattern(server.schema, exclude),) if exclude else ()
            seen = await scan(server, TableFilter((TablePattern(server.schema, include),), patterns))
            wanted = TableFilter((TablePattern(server.schema, include),), patterns)
            assert all(wanted.matches(server.schema, name) for name in seen.tables)
            return set(seen.tables)

        assert await names("a_b") == {"a_b"}
        assert await names("a?b") == {"a_b", "axb", "a%b"}
        assert await names("[ab]") == {"[ab]"}
        assert await names("*", "a*") == {"A_C", "[ab]"}

    async def test_a_filter_for_another_schema_finds_nothing(self, server: Server) -> None:
        await server.run(*SHOP)
        seen = await scan(server, TableFilter((TablePattern("elsewhere", "*"),)))
        assert seen.tables == {}

    async def test_an_empty_database_is_complete(self, server: Server) -> None:
        seen = await scan(server)
        assert seen.tables == {}
        assert seen.listed(server.schema) == frozenset()

    async def test_two_scans_of_the_same_database_are_equal(self, server: Server) -> None:
        await server.run(*SHOP)
        assert (await scan(server)).tables == (await scan(server, unit_tables=1)).tables

    async def test_a_database_that_does_not_exist_is_a_failed_step(self, server: Server) -> None:
        with pytest.raises(ConnectFailed) as caught:
            async with aclosing(server.scanner().scan("missing", TableFilter())) as found:
                _ = [each async for each in found]
        assert caught.value.step == "database"

    async def test_a_server_that_is_not_there_is_a_failed_step(self, server: Server) -> None:
        with pytest.raises(ConnectFailed):
            await server.scanner(wrong=True).list_databases()

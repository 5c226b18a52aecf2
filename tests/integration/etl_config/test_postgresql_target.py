import asyncio

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS, Dialect, Sql
from services.etl.tables.errors import SchemaMissing, TargetBusy, TargetRefused
from services.etl.tables.targets import Target
from tests.servers.postgres import Dsn

from .target_contract import TABLE_ID, TransactionalContract, every_type

pytestmark = pytest.mark.postgres


class TestPostgresqlTarget(TransactionalContract):
    @pytest.fixture
    def target(self, postgresql: Target) -> Target:
        return postgresql

    @pytest.fixture
    def dialect(self) -> Dialect:
        return DIALECTS["postgresql"]

    @pytest.fixture
    async def location(self, postgres_database: Dsn) -> Location:
        await postgres_database.execute('CREATE SCHEMA "My ""Schema"')
        return Location('My "Schema', "All Types")

    async def test_a_schema_that_is_missing_is_named(self, target: Target) -> None:
        with pytest.raises(SchemaMissing, match="nowhere"):
            await target.look(Location("nowhere", "t"), TABLE_ID)

    @pytest.mark.parametrize(
        ("statement", "kind"),
        [
            ("CREATE VIEW public.taken AS SELECT 1", "view"),
            ("CREATE SEQUENCE public.taken", "sequence"),
            ("CREATE TABLE public.taken (i int) PARTITION BY RANGE (i)", "partitioned table"),
        ],
    )
    async def test_other_things_that_have_taken_the_name_are_seen(
        self, target: Target, postgres_database: Dsn, statement: str, kind: str
    ) -> None:
        await postgres_database.execute(statement)

        seen = await target.look(Location("public", "taken"), TABLE_ID)

        assert seen.physical is not None
        assert seen.physical.kind == kind

    async def test_what_we_never_make_is_seen_in_columns(
        self, target: Target, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED ALWAYS AS (a * 2) STORED)"
        )

        seen = await target.look(Location("public", "t"), TABLE_ID)

        assert seen.physical is not None
        assert [column.extra for column in seen.physical.columns] == ["identity", "generated"]

    async def test_indexes_over_expressions_or_some_rows_do_not_count(
        self, target: Target, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            "CREATE TABLE t (a int, b text)",
            "CREATE UNIQUE INDEX one ON t (lower(b))",
            "CREATE UNIQUE INDEX two ON t (a) WHERE b IS NULL",
            "CREATE INDEX three ON t (b) INCLUDE (a)",
        )

        seen = await target.look(Location("public", "t"), TABLE_ID)

        assert seen.physical is not None
        assert [(index.name, index.columns) for index in seen.physical.indexes] == [("three", ("b",))]

    async def test_a_run_that_writes_is_waited_for_a_moment_and_then_named(
        self, target: Target, dialect: Dialect, location: Location, postgres_database: Dsn
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))
        writer = await postgres_database.connect()
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(f"LOCK TABLE {dialect.at(location)} IN ROW EXCLUSIVE MODE")
        try:
            with pytest.raises(TargetBusy):
                await asyncio.wait_for(target.apply(location, TABLE_ID, lambda _: []), 20)
        finally:
            await writer.close()

    async def test_a_refusal_repeats_neither_sql_nor_values(self, target: Target) -> None:
        with pytest.raises(TargetRefused) as refused:
            await target.apply(Location("public", "t"), TABLE_ID, lambda _: [Sql("SELECT 'geheim'::int")])

        assert "geheim" not in str(refused.value)
        assert refused.value.__cause__ is None

    async def test_a_table_that_a_view_needs_is_not_dropped(
        self, target: Target, dialect: Dialect, location: Location, postgres_database: Dsn
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))
        await postgres_database.execute(f"CREATE VIEW v AS SELECT * FROM {dialect.at(location)}")

        with pytest.raises(TargetRefused, match="depend"):
            await target.apply(location, TABLE_ID, lambda _: [dialect.drop(location).sql])

    async def test_a_backslash_in_a_comment_is_a_backslash_whatever_the_server_is_set_to(
        self, target: Target, dialect: Dialect, location: Location, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            f'ALTER DATABASE "{postgres_database.database}" SET standard_conforming_strings = off'
        )
        definition = every_type().model_copy(update={"comment": "\\' here"})

        await self.published(target, dialect, self.wanted(location, definition))

        seen = await target.look(location, TABLE_ID)
        assert seen.physical is not None
        assert seen.physical.comment == "\\' here"

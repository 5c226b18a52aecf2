import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS, Dialect, Sql, Statement, Work
from services.etl.tables.errors import SchemaMissing, TargetRefused
from services.etl.tables.physical import Physical, Place
from services.etl.tables.targets.base import Target
from tests.servers.postgres import Dsn

from .target_contract import TABLE_ID, TransactionalContract, every_type

pytestmark = pytest.mark.postgres


async def seen(target: Target, name: str, schema: str = "public") -> Physical:
    """What has this name."""
    place = Place(TABLE_ID, Location(schema, name), (name,))
    physical = (await target.examine(place, lambda _: ())).sight.physical
    assert physical is not None
    return physical


def running(*statements: Sql) -> Work:
    return Work(tuple(Statement(sql, "safe", "It is asked for.") for sql in statements))


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
            await seen(target, "t", "nowhere")

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

        assert (await seen(target, "taken")).kind == kind

    async def test_what_we_never_make_is_seen_in_columns(
        self, target: Target, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED ALWAYS AS (a * 2) STORED)"
        )

        assert [column.extra for column in (await seen(target, "t")).columns] == ["identity", "generated"]

    async def test_indexes_over_expressions_or_some_rows_do_not_count(
        self, target: Target, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            "CREATE TABLE t (a int, b text)",
            "CREATE UNIQUE INDEX one ON t (lower(b))",
            "CREATE UNIQUE INDEX two ON t (a) WHERE b IS NULL",
            "CREATE INDEX three ON t (b) INCLUDE (a)",
        )

        physical = await seen(target, "t")

        assert physical.indexes == ()
        assert {(use.what, use.columns) for use in physical.uses} == {
            ("the index one", ("b",)),
            ("the index two", ("a", "b")),
            ("the index three", ("a", "b")),
        }

    async def test_a_refusal_repeats_neither_sql_nor_values(self, target: Target) -> None:
        place = Place(TABLE_ID, Location("public", "t"), ("t",))

        with pytest.raises(TargetRefused) as refused:
            await target.carry_out(
                place, lambda _: running(Sql("SELECT 'geheim'::int")), told=lambda *_: None
            )

        assert "geheim" not in str(refused.value)
        assert refused.value.__cause__ is None

    async def test_a_table_that_a_view_needs_is_not_dropped(
        self, target: Target, dialect: Dialect, location: Location, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            f"CREATE TABLE {dialect.at(location)} (a int)",
            f"CREATE VIEW v AS SELECT * FROM {dialect.at(location)}",
        )
        place = Place(TABLE_ID, location, (location.name,))

        with pytest.raises(TargetRefused, match=r"view public\.v depend"):
            await target.carry_out(place, lambda _: running(dialect.drop(location).sql), told=lambda *_: None)

    async def test_a_backslash_in_a_comment_is_a_backslash_whatever_the_server_is_set_to(
        self, target: Target, dialect: Dialect, location: Location, postgres_database: Dsn
    ) -> None:
        await postgres_database.execute(
            f'ALTER DATABASE "{postgres_database.database}" SET standard_conforming_strings = off'
        )
        definition = every_type().model_copy(update={"comment": "\\' here"})
        made = dialect.create(location, definition)
        place = Place(TABLE_ID, location, (location.name,))

        await target.carry_out(place, lambda _: Work(tuple(made)), told=lambda *_: None)

        assert location.schema is not None
        assert (await seen(target, location.name, location.schema)).comment == "\\' here"

"""The scanner suite on PostgreSQL, and the pitfalls of its catalog."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.meta.scanners._model import TableFilter, TablePattern
from tests.contract.meta.scanners import ScannerContract, scan
from tests.contract.meta.targets import PostgresqlTarget
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.postgres


@pytest.fixture
def server(postgres_database: Dsn) -> PostgresqlTarget:
    return PostgresqlTarget(postgres_database)


@asynccontextmanager
async def stranger(server: PostgresqlTarget) -> AsyncIterator[PostgresqlTarget]:
    """The same database for a role without any grant."""
    await server.run("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    try:
        yield PostgresqlTarget(server.dsn, user="stranger", password="stranger")
    finally:
        await server.run("DROP OWNED BY stranger", "DROP ROLE stranger")


class TestPostgresqlScanner(ScannerContract):
    async def test_a_role_without_grants_sees_everything_and_that_it_may_not_read(
        self, server: PostgresqlTarget
    ) -> None:
        await server.run(
            "CREATE TABLE t (id integer PRIMARY KEY, x text)", "CREATE VIEW v AS SELECT x FROM t"
        )
        mine = (await scan(server)).tables
        async with stranger(server) as other:
            theirs = (await scan(other)).tables
        assert [table.is_readable for table in theirs.values()] == [False, False]
        assert {name: table.fields for name, table in theirs.items()} == {
            name: table.fields for name, table in mine.items()
        }
        assert theirs["v"].definition == mine["v"].definition

    async def test_a_database_that_may_not_be_entered_has_unknown_counts(
        self, server: PostgresqlTarget
    ) -> None:
        closed = await server.dsn.create_database()
        await server.run(f'REVOKE CONNECT ON DATABASE "{closed.database}" FROM PUBLIC')
        try:
            async with stranger(server) as other:
                found = {each.name: each for each in await other.scanner().list_databases()}
        finally:
            await server.dsn.drop_database(closed)
        assert found[closed.database].table_count is None
        assert found[closed.database].total_size_bytes is None
        assert not found[closed.database].is_accessible
        assert found[closed.database].owner == server.dsn.user
        assert found[server.database].table_count == 0
        assert not {"template0", "template1"} & set(found)

    async def test_estimates_are_unknown_until_somebody_analysed(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (id integer)",
            "INSERT INTO t SELECT generate_series(1, 1000)",
            "CREATE TABLE p (id integer) PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
            "INSERT INTO p VALUES (1), (2)",
        )
        before = (await scan(server)).tables
        assert (before["t"].row_count, before["p"].row_count) == (None, None)
        assert (before["t"].data_size_bytes or 0) > 0
        await server.run("ANALYZE")
        after = (await scan(server)).tables
        assert (after["t"].row_count, after["p"].row_count) == (1000, 2)
        assert (after["p"].data_size_bytes or 0) > 0

    async def test_partitions_are_folded_and_inheritance_children_are_not(
        self, server: PostgresqlTarget
    ) -> None:
        await server.run(
            "CREATE TABLE p (k text, id integer) PARTITION BY LIST (lower(k))",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a') PARTITION BY RANGE (id)",
            "CREATE TABLE p11 PARTITION OF p1 DEFAULT",
            "CREATE TABLE a (id integer)",
            "CREATE TABLE inh (extra text) INHERITS (a)",
        )
        tables = (await scan(server)).tables
        assert set(tables) == {"p", "a", "inh"}
        assert tables["p"].type == "partitioned_table"
        assert tables["p"].partition_key == "LIST (lower(k))"
        assert [field.name for field in tables["inh"].fields] == ["id", "extra"]

    async def test_dropped_columns_leave_no_hole_in_the_positions(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a integer, b integer, c integer UNIQUE)", "ALTER TABLE t DROP COLUMN b"
        )
        table = (await scan(server)).tables["t"]
        assert [(field.name, field.position, field.number) for field in table.fields] == [
            ("a", 1, 1),
            ("c", 2, 3),
        ]
        assert table.keys[0].columns == ("c",)

    async def test_types_are_spelled_with_their_schema_and_their_details(
        self, server: PostgresqlTarget
    ) -> None:
        await server.run(
            "CREATE TYPE mood AS ENUM ('happy', 'sad')",
            "CREATE DOMAIN amount AS numeric(14, 2) NOT NULL CHECK (VALUE > 0)",
            'CREATE TABLE t (m mood, n amount, grid integer[][], v varchar(20)[], c text COLLATE "C")',
        )
        fields = {field.name: field for field in (await scan(server)).tables["t"].fields}
        assert (fields["m"].column_type, fields["m"].type_detail) == (
            "public.mood",
            {"labels": ["happy", "sad"]},
        )
        assert (fields["n"].column_type, fields["n"].type_detail) == (
            "public.amount",
            {"base_type": "numeric(14,2)"},
        )
        assert not fields["n"].is_nullable
        assert fields["grid"].column_type == "integer[]"
        assert fields["v"].column_type == "character varying(20)[]"
        assert fields["c"].type_detail == {"collation": "C"}

    async def test_generated_and_identity_columns_say_so(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a integer GENERATED ALWAYS AS IDENTITY,"
            " b integer GENERATED BY DEFAULT AS IDENTITY, c integer DEFAULT 7,"
            " d integer GENERATED ALWAYS AS (c * 2) STORED)"
        )
        fields = (await scan(server)).tables["t"].fields
        assert [field.extra for field in fields] == [
            "generated always as identity",
            "generated by default as identity",
            None,
            "generated always as ((c * 2)) stored",
        ]
        assert [field.column_default for field in fields] == [None, None, "7", None]

    async def test_unusual_constraints_do_not_break_the_mapper(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE TABLE nothing ()",
            "CREATE TABLE parent (a integer, b integer, UNIQUE (b, a))",
            "CREATE TABLE child (x integer, y integer, r int4range, EXCLUDE USING gist (r WITH &&))",
            "ALTER TABLE child ADD CONSTRAINT later FOREIGN KEY (x, y) REFERENCES parent (b, a)"
            " DEFERRABLE NOT VALID",
            "ALTER TABLE child ADD CONSTRAINT maybe CHECK (x > 0) NOT VALID",
        )
        tables = (await scan(server)).tables
        assert tables["nothing"].fields == ()
        (key,) = tables["child"].keys
        assert (key.columns, key.referenced_columns) == (("x", "y"), ("b", "a"))
        assert (key.is_deferrable, key.is_validated) == (True, False)
        assert {each.kind: each.is_validated for each in tables["child"].constraints} == {
            "check": False,
            "exclude": True,
        }

    async def test_a_foreign_key_to_a_partitioned_table_is_one_key(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE TABLE p (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
            "CREATE TABLE t (id integer REFERENCES p)",
        )
        (key,) = (await scan(server, unit_tables=1)).tables["t"].keys
        assert (key.referenced_table, key.referenced_columns) == ("p", ("id",))

    async def test_comments_belong_to_the_relation_and_to_nothing_else(
        self, server: PostgresqlTarget
    ) -> None:
        await server.run(
            "CREATE TABLE t (a integer)",
            "COMMENT ON TABLE t IS 'a table'",
            "COMMENT ON COLUMN t.a IS 'a column'",
            "CREATE TABLE u (a integer)",
            # An oid is unique only within its catalog: this comment is on another catalog's object.
            "INSERT INTO pg_description (objoid, classoid, objsubid, description)"
            " VALUES ('u'::regclass, 'pg_proc'::regclass, 0, 'of a function')",
        )
        tables = (await scan(server)).tables
        assert (tables["t"].comment, tables["t"].fields[0].comment) == ("a table", "a column")
        assert tables["u"].comment is None

    async def test_materialised_views_unlogged_and_temporary_tables(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE UNLOGGED TABLE u (id integer)",
            "CREATE MATERIALIZED VIEW m AS SELECT id FROM u WITH NO DATA",
        )
        connection = await server.dsn.connect()
        try:
            await connection.execute("CREATE TEMPORARY TABLE mine (id integer)")
            tables = (await scan(server)).tables
        finally:
            await connection.close()
        assert {name: table.type for name, table in tables.items()} == {
            "u": "table",
            "m": "materialized_view",
        }
        assert [field.name for field in tables["m"].fields] == ["id"]

    async def test_a_foreign_table_is_listed_and_never_counted(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE FOREIGN DATA WRAPPER elsewhere",
            "CREATE SERVER away FOREIGN DATA WRAPPER elsewhere",
            "CREATE FOREIGN TABLE f (id integer) SERVER away",
        )
        table = (await scan(server)).tables["f"]
        assert (table.type, table.engine) == ("foreign_table", "elsewhere")
        assert (table.row_count, table.data_size_bytes) == (None, None)

    async def test_spelling_does_not_depend_on_the_search_path_of_the_user(
        self, server: PostgresqlTarget
    ) -> None:
        await server.run(
            "CREATE SCHEMA other",
            "CREATE TABLE other.t (id integer)",
            "CREATE VIEW v AS SELECT id FROM other.t",
        )
        first = (await scan(server)).tables
        await server.run(f'ALTER DATABASE "{server.database}" SET search_path = other')
        assert (await scan(server)).tables == first
        assert "other.t" in (first["v"].definition or "")

    async def test_excluded_schemas_are_not_even_listed(self, server: PostgresqlTarget) -> None:
        await server.run(
            "CREATE SCHEMA secret", "CREATE TABLE secret.t (id integer)", "CREATE TABLE u (id integer)"
        )
        seen = await scan(server, TableFilter(exclude=(TablePattern("sec*"),)))
        assert seen.schemas == ("public",)
        assert set(seen.tables) == {"u"}

    async def test_a_locked_view_is_a_failure_and_stops_no_other(self, server: PostgresqlTarget) -> None:
        await server.run(
            *(f"CREATE TABLE t{number} (id integer)" for number in range(6)),
            "CREATE VIEW v AS SELECT id FROM t0",
        )
        connection = await server.dsn.connect()
        try:
            async with connection.transaction():
                await connection.execute("ALTER VIEW v SET (security_barrier = true)")
                async with asyncio.timeout(30):
                    seen = await scan(server)
        finally:
            await connection.close()
        assert [(failure.table, failure.reason) for failure in seen.failures] == [
            ("v", "it is locked by another session")
        ]
        assert len(seen.tables) == 6
        assert "v" in (seen.listed("public") or ())

    async def test_a_scan_writes_nothing_and_says_who_it_is(self, server: PostgresqlTarget) -> None:
        async with server.scanner()._session(None) as connection:
            settings = {
                name: await connection.fetchval(f"SHOW {name}")
                for name in ("application_name", "default_transaction_read_only", "statement_timeout")
            }
        assert settings == {
            "application_name": "penstock-meta",
            "default_transaction_read_only": "on",
            "statement_timeout": "1min",
        }

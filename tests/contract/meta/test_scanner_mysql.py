"""The scanner suite on MariaDB, and the pitfalls of its information_schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.meta.scanners._model import IndexPart, TableInfo
from services.meta.scanners._mysql_mapping import Row
from services.meta.scanners.mysql import _Catalogs
from tests.contract.meta.scanners import SHOP, ScannerContract, Server, scan
from tests.contract.meta.targets import MysqlTarget
from tests.servers.mariadb import MariaDsn

pytestmark = pytest.mark.mariadb


@pytest.fixture
def server(mariadb_database: MariaDsn) -> MysqlTarget:
    return MysqlTarget(mariadb_database)


@asynccontextmanager
async def stranger(server: MysqlTarget, *grants: str) -> AsyncIterator[MysqlTarget]:
    """The same server for a user with these grants only; `{db}` stands for the database."""
    name = f"u_{server.database[-12:]}"
    await server.run(f"CREATE USER {name} IDENTIFIED BY 'stranger'")
    try:
        await server.run(*(f"GRANT {grant.format(db=server.database)} TO {name}" for grant in grants))
        yield MysqlTarget(server.dsn, user=name, password="stranger")
    finally:
        await server.run(f"DROP USER {name}")


def facts(table: TableInfo) -> tuple[object, ...]:
    return (table.fields, table.keys, table.indexes, table.constraints, table.comment, table.is_readable)


class TestMysqlScanner(ScannerContract):
    async def test_indexes_keep_expressions_directions_and_conditions(self, server: Server) -> None:
        await server.run(
            "CREATE TABLE t (total INTEGER, note TEXT, number INTEGER UNIQUE)",
            "CREATE INDEX by_total ON t (total DESC, note(10))",
            "CREATE UNIQUE INDEX by_note ON t (note(20))",
            "CREATE FULLTEXT INDEX words ON t (note)",
            "CREATE INDEX unused ON t (number) IGNORED",
        )
        table = (await scan(server)).tables["t"]
        indexes = {index.name: index for index in table.indexes}
        assert indexes["by_total"].parts == (
            IndexPart("total", is_descending=True),
            IndexPart(None, "note(10)"),
        )
        assert (indexes["words"].method, indexes["by_total"].method) == ("fulltext", "btree")
        assert [name for name, index in indexes.items() if not index.is_valid] == ["unused"]
        assert [(key.name, key.columns) for key in table.keys] == [("number", ("number",))]

    async def test_json_is_a_type_and_its_check_is_a_part_of_it(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a JSON, b JSON CHECK (json_valid(b) AND json_length(b) < 5),"
            " \"c`d\" JSON NOT NULL, e LONGTEXT COLLATE utf8mb4_bin, CHECK (e <> 'x'))"
        )
        table = (await scan(server)).tables["t"]
        assert {field.name: (field.data_type, field.column_type) for field in table.fields} == {
            "a": ("json", "json"),
            "b": ("longtext", "longtext"),
            "c`d": ("json", "json"),
            "e": ("longtext", "longtext"),
        }
        assert [(each.name, each.definition) for each in table.constraints] == [
            ("CONSTRAINT_1", "CHECK (`e` <> 'x')"),
            ("b", "CHECK (json_valid(`b`) and json_length(`b`) < 5)"),
        ]

    async def test_no_default_null_and_the_text_null_are_told_apart(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(9) DEFAULT NULL, c VARCHAR(9) DEFAULT 'NULL',"
            " d VARCHAR(9) DEFAULT 'it''s', e BIT(1) DEFAULT b'1', f INTEGER DEFAULT 7,"
            " g TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, h CHAR(36) DEFAULT uuid())"
        )
        fields = (await scan(server)).tables["t"].fields
        assert [field.column_default for field in fields] == [
            None,
            None,
            "'NULL'",
            "'it''s'",
            "b'1'",
            "7",
            "current_timestamp()",
            "uuid()",
        ]
        assert fields[6].extra == "on update current_timestamp()"

    async def test_generated_hidden_and_counting_columns_say_so(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a INTEGER AUTO_INCREMENT PRIMARY KEY, b INTEGER INVISIBLE,"
            " c INTEGER AS (b * 2) STORED, d INTEGER AS (b + 1) VIRTUAL)"
        )
        fields = (await scan(server)).tables["t"].fields
        assert [field.extra for field in fields] == [
            "auto_increment",
            "invisible",
            "generated always as (`b` * 2) stored",
            "generated always as (`b` + 1) virtual",
        ]
        assert [field.column_default for field in fields] == [None] * 4

    async def test_types_keep_their_details(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE t (a ENUM('x', 'it''s', 'b,c'), b INT(4) ZEROFILL, c TINYINT(1),"
            " d DECIMAL(10, 2) UNSIGNED, e VARCHAR(5) COLLATE utf8mb4_bin, f SET('p', 'q'))"
        )
        fields = {field.name: field for field in (await scan(server)).tables["t"].fields}
        assert fields["a"].type_detail == {"labels": ["x", "it's", "b,c"]}
        assert fields["f"].type_detail == {"labels": ["p", "q"]}
        assert fields["e"].type_detail == {"collation": "utf8mb4_bin"}
        assert {name: fields[name].column_type for name in "bcd"} == {
            "b": "int(4) unsigned zerofill",
            "c": "tinyint(1)",
            "d": "decimal(10,2) unsigned",
        }

    async def test_marks_of_columns_are_those_of_the_server(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE p (a INTEGER, b INTEGER, c INTEGER UNIQUE, d INTEGER, e INTEGER,"
            " PRIMARY KEY (a, b), UNIQUE (d, e), FOREIGN KEY (e) REFERENCES p (a))"
        )
        fields = (await scan(server)).tables["p"].fields
        assert [field.column_key for field in fields] == ["PRI", "PRI", "UNI", "MUL", "MUL"]

    async def test_comments_are_those_of_tables_and_columns_and_not_the_word_view(
        self, server: MysqlTarget
    ) -> None:
        await server.run(
            "CREATE TABLE t (a INTEGER COMMENT 'it''s a \"column\"', b INTEGER) COMMENT 'a table'",
            "CREATE VIEW v AS SELECT a FROM t",
        )
        tables = (await scan(server)).tables
        assert (tables["t"].comment, tables["v"].comment) == ("a table", None)
        assert [field.comment for field in tables["t"].fields] == ['it\'s a "column"', None]

    async def test_sequences_are_no_tables_and_versioned_tables_are(self, server: MysqlTarget) -> None:
        await server.run("CREATE SEQUENCE s", "CREATE TABLE h (a INTEGER) WITH SYSTEM VERSIONING")
        seen = await scan(server)
        assert {name: table.type for name, table in seen.tables.items()} == {"h": "table"}
        databases = {each.name: each for each in await server.scanner().list_databases()}
        assert databases[server.database].table_count == 1

    async def test_partitions_are_folded_into_their_table(self, server: MysqlTarget) -> None:
        await server.run(
            "CREATE TABLE p (id INTEGER, d DATE) PARTITION BY RANGE (year(d))"
            " SUBPARTITION BY HASH (id) SUBPARTITIONS 2"
            " (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE)"
        )
        table = (await scan(server)).tables["p"]
        assert (table.type, table.partition_key) == ("partitioned_table", "RANGE (year(`d`)), HASH (`id`)")

    async def test_a_view_on_something_that_is_gone_is_a_failure_and_stops_no_other(
        self, server: MysqlTarget
    ) -> None:
        await server.run(
            "CREATE TABLE gone (a INTEGER)",
            "CREATE TABLE t (a INTEGER)",
            "CREATE VIEW broken AS SELECT a FROM gone",
            "DROP TABLE gone",
        )
        seen = await scan(server)
        assert set(seen.tables) == {"t"}
        assert [failure.table for failure in seen.failures] == ["broken"]
        assert "gone" in seen.failures[0].reason
        assert "broken" in (seen.listed(server.schema) or ())

    async def test_names_that_differ_in_case_are_different_tables(self, server: MysqlTarget) -> None:
        await server.run("CREATE TABLE t (a INTEGER)", "CREATE TABLE T (b INTEGER PRIMARY KEY, c INTEGER)")
        for unit_tables in (500, 1):
            tables = (await scan(server, unit_tables=unit_tables)).tables
            assert {name: len(table.fields) for name, table in tables.items()} == {"t": 1, "T": 2}
            assert tables["t"].keys == ()

    @pytest.mark.parametrize("places", [("*",), ("customer", "purchase", "plain", "simple")])
    async def test_who_may_only_read_sees_the_same_tables(
        self, server: MysqlTarget, places: tuple[str, ...]
    ) -> None:
        await server.run(
            *SHOP[:2],
            "ALTER TABLE customer ADD COLUMN data JSON COMMENT '), CHECK ('",
            "CREATE TABLE plain (a INTEGER, b VARCHAR(9) CHECK (b <> '('), c INTEGER, CHECK (c > (1 + 1)),"
            " FOREIGN KEY (a) REFERENCES customer (id) ON DELETE SET NULL ON UPDATE NO ACTION)",
            "CREATE TABLE simple (a INTEGER)",
        )
        mine = (await scan(server)).tables
        async with stranger(server, *(f"SELECT ON {{db}}.{place}" for place in places)) as other:
            theirs = (await scan(other)).tables
        assert {name: facts(table) for name, table in theirs.items()} == {
            name: facts(table) for name, table in mine.items()
        }
        assert mine["customer"].fields[-1].data_type == "json"
        assert [(key.on_delete, key.on_update) for key in mine["plain"].keys] == [("set null", "no action")]
        assert len(mine["plain"].constraints) == 2

    async def test_who_may_see_some_columns_only_is_told_so_and_nothing_is_taken_for_gone(
        self, server: MysqlTarget
    ) -> None:
        await server.run("CREATE TABLE t (a INTEGER, b INTEGER)", "CREATE TABLE u (a INTEGER)")
        async with stranger(server, "SELECT (a) ON {db}.t", "SELECT ON {db}.u") as other:
            seen = await scan(other)
        assert set(seen.tables) == {"u"}
        assert [(each.table, each.reason) for each in seen.failures] == [
            ("t", "the user may see only some of its columns")
        ]
        assert "t" in (seen.listed(server.schema) or ())

    async def test_columns_that_a_role_may_see_are_not_taken_for_all_of_them(
        self, server: MysqlTarget
    ) -> None:
        await server.run("CREATE TABLE t (a INTEGER, b INTEGER)", "CREATE TABLE u (a INTEGER CHECK (a > 0))")
        role = f"r_{server.database[-12:]}"
        await server.run(f"CREATE ROLE {role}")
        try:
            async with stranger(server, role) as other:
                await server.run(
                    f"GRANT SELECT (a) ON {server.database}.t TO {role}",
                    f"GRANT SELECT ON {server.database}.u TO {role}",
                    f"SET DEFAULT ROLE {role} FOR {other.user}",
                )
                seen = await scan(other)
        finally:
            await server.run(f"DROP ROLE {role}")
        assert [each.table for each in seen.failures] == ["t"]
        assert [each.name for each in seen.tables["u"].constraints] == ["a"]

    async def test_grants_of_others_cost_the_owner_nothing(
        self, server: MysqlTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await server.run("CREATE TABLE t (a INTEGER)")
        asked: list[str] = []
        rows = _Catalogs.rows

        async def listening(self: _Catalogs, query: str, *arguments: object) -> list[Row]:
            asked.append(query)
            return await rows(self, query, *arguments)

        monkeypatch.setattr(_Catalogs, "rows", listening)
        async with stranger(server, "SELECT ON {db}.t"):
            await scan(server)
        assert not [query for query in asked if query.startswith("SHOW CREATE")]

    async def test_who_may_not_read_sees_that(self, server: MysqlTarget) -> None:
        await server.run("CREATE TABLE t (a INTEGER)", "CREATE VIEW v AS SELECT a FROM t")
        async with stranger(server, "INSERT ON {db}.*") as other:
            tables = (await scan(other)).tables
        assert [table.is_readable for table in tables.values()] == [False, False]
        async with stranger(server, "SELECT ON {db}.*") as other:
            tables = (await scan(other)).tables
        assert [table.is_readable for table in tables.values()] == [True, True]
        assert tables["v"].definition is None

    async def test_a_database_that_may_not_be_entered_has_unknown_counts(self, server: MysqlTarget) -> None:
        async with stranger(server, "SHOW DATABASES ON *.*") as other:
            found = {each.name: each for each in await other.scanner().list_databases()}
        assert not found[server.database].is_accessible
        assert found[server.database].table_count is None
        assert not {"mysql", "information_schema", "performance_schema", "sys"} & set(found)

    async def test_tables_that_others_work_in_are_read_all_the_same(self, server: MysqlTarget) -> None:
        await server.run(*(f"CREATE TABLE t{number} (id INTEGER)" for number in range(3)))
        locking, writing = await server.dsn.connect(), await server.dsn.connect()
        try:
            async with locking.cursor() as cursor:
                await cursor.execute("LOCK TABLES t0 WRITE")
            async with writing.cursor() as cursor:
                await cursor.execute("BEGIN")
                await cursor.execute("INSERT INTO t1 VALUES (1)")
            seen = await scan(server)
        finally:
            locking.close()
            writing.close()
        assert (set(seen.tables), seen.failures) == ({"t0", "t1", "t2"}, [])

    async def test_a_scan_writes_nothing(self, server: MysqlTarget) -> None:
        async with server.scanner()._session(server.database) as catalogs:
            (found,) = await catalogs.rows("SELECT @@tx_read_only AS only, @@max_statement_time AS bound")
        assert found == {"only": 1, "bound": 60.0}

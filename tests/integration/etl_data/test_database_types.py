"""Reading from databases: the types and values that one engine alone has."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import SourceInvalid
from shared.errors import PenstockError
from tests.integration.etl_data.jobs import TABLE, MariaTable, PostgresTable, SqliteTable
from tests.integration.etl_data.sources import (
    preview,
    read_query,
    read_table,
)
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn


@pytest.mark.postgres
class TestPostgresql:
    """Types and values that PostgreSQL alone has."""

    @pytest.fixture
    def table(self, postgres_database: Dsn) -> PostgresTable:
        return PostgresTable(postgres_database)

    async def test_all_types_are_exact(self, table: PostgresTable) -> None:
        await table.execute(
            f"CREATE TABLE {TABLE} (i smallint, n numeric(38,10), f real, d double precision, b boolean,"
            " day date, t time, ts timestamp, tz timestamptz, j jsonb, u uuid, raw bytea, a int[], c char(3))"
        )
        await table.execute(
            f"INSERT INTO {TABLE} VALUES (-32768, 1234567890123456789012345678.0123456789, 0.1, 0.1, true,"
            " '0001-01-01', '23:59:59.999999', '9999-12-31 23:59:59.999999', '2026-03-29 02:30:00.000001+02',"
            " '{\"a\": [1, null]}', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff', '{1,NULL}', 'ab')"
        )
        types = {
            "i": "int16", "n": "decimal(38,10)", "f": "float32", "d": "float64", "b": "boolean",
            "day": "date", "t": "time", "ts": "timestamp", "tz": "timestamptz", "j": "json", "u": "uuid",
            "raw": "bytes", "a": "text", "c": "text",
        }  # fmt: skip
        ((i, n, f, d, b, *rest),) = read_table(table, types).rows
        assert (i, n, d, b) == (-32768, "1234567890123456789012345678.0123456789", 0.1, True)
        assert f == pytest.approx(0.1, rel=1e-7)
        assert rest == [
            date(1, 1, 1), time(23, 59, 59, 999999), datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001  the column has no zone
            datetime(2026, 3, 29, 0, 30, 0, 1, tzinfo=UTC), '{"a": [1, null]}',
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", b"\x00\xff", "{1,NULL}", "ab ",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("kind", "value", "declared_as", "read"),
        [
            ("timestamp", "2026-03-29 02:30", "timestamptz", datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
            ("timestamptz", "2026-03-29 02:30+02", "timestamp", None),
            ("timestamptz", "2026-03-29 02:30+02", "text", "2026-03-29 00:30:00+00"),
            ("timestamptz", "2026-03-29 00:00+00", "date", None),
            ("bigint", "9007199254740993", "float64", 9007199254740992.0),
            ("bigint", "2147483648", "int32", None),
            ("numeric", "1.500", "decimal(10,1)", "1.5"),
            ("numeric", "1.05", "decimal(10,1)", None),
        ],
    )
    async def test_a_value_is_read_as_the_declared_type_or_rejected(
        self, table: PostgresTable, kind: str, value: str, declared_as: str, read: Any
    ) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (x {kind})")
        await table.execute(f"INSERT INTO {TABLE} VALUES ('{value}')")
        got = read_table(table, {"x": declared_as})
        assert (got.rows, len(got.reasons)) == (([(read,)], 0) if read is not None else ([], 1))

    @pytest.mark.parametrize(
        ("kind", "value", "declared_as", "code"),
        [
            ("numeric", "NaN", "decimal(10,2)", "not_a_number"),
            ("double precision", "NaN", "float64", "not_finite"),
            ("real", "-Infinity", "float32", "not_finite"),
            ("timestamptz", "infinity", "timestamptz", None),
            ("timestamp", "0044-03-15 BC", "timestamp", None),
            ("date", "12000-01-01", "date", None),
            ("time", "24:00:00", "time", None),
            ("text", "0x1F", "int64", None),
        ],
    )
    async def test_what_only_postgresql_knows_is_rejected(
        self, table: PostgresTable, kind: str, value: str, declared_as: str, code: str | None
    ) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id bigint, x {kind})")
        await table.execute(f"INSERT INTO {TABLE} VALUES (1, NULL), (2, '{value}'), (3, NULL)")
        got = read_table(table, {"id": "int64", "x": declared_as})
        assert [row[0] for row in got.rows] == [1, 3]
        ((record, column, said),) = got.reasons
        assert (record, column) == (2, "x")
        assert code is None or said == code

    async def test_empty_texts_and_nulls_of_a_single_column_differ(self, table: PostgresTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (x text)")
        await table.execute(f"INSERT INTO {TABLE} VALUES (''), (NULL), ('\\.'), (E'\\\\N'), (E'a\\r\\n')")
        assert read_table(table, {"x": "text"}).rows == [("",), (None,), ("\\.",), ("\\N",), ("a\r\n",)]

    async def test_a_query_can_t_write_even_where_its_text_looks_harmless(self, table: PostgresTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id bigint)")
        await table.execute(
            "CREATE FUNCTION adds() RETURNS bigint LANGUAGE sql AS"
            f" 'INSERT INTO {TABLE} VALUES (1) RETURNING id'"
        )
        with pytest.raises(SourceInvalid, match="would write"):
            read_query(table, "SELECT adds() AS id", {"id": "int64"})
        assert await table.rows() == []

    async def test_a_value_of_many_megabytes_is_read(self, table: PostgresTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} AS SELECT 1 AS id, repeat('x', 5000000) AS x")
        ((_, x),) = read_table(table, {"id": "int32", "x": "text"}).rows
        assert len(x) == 5_000_000

    async def test_a_numeric_without_scale_gets_one_by_its_first_values(self, table: PostgresTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (x numeric)")
        await table.execute(f"INSERT INTO {TABLE} VALUES (1), (1.250)")
        found = preview(table, DatabaseTable, table_name=TABLE)
        assert str(found.columns[0].type) == "decimal(38,3)"


@pytest.mark.mariadb
class TestMysql:
    """Types and values that MySQL and MariaDB alone have."""

    @pytest.fixture
    def table(self, mariadb_database: MariaDsn) -> MariaTable:
        return MariaTable(mariadb_database)

    async def test_all_types_are_exact(self, table: MariaTable) -> None:
        await table.execute(
            f"CREATE TABLE {TABLE} (u bigint unsigned, n decimal(38,10), f float, d double, b tinyint(1),"
            " bits bit(9), y year, day date, t time(6), ts datetime(6), tz timestamp(6) NULL, j json,"
            " raw varbinary(400), e enum('x','y'), s set('p','q'), l longtext)"
        )
        await table.execute(
            f"INSERT INTO {TABLE} VALUES (18446744073709551615, 1234567890123456789012345678.0123456789, 0.1,"
            " 0.1, 1, b'101000000', 2026, '1000-01-01', '23:59:59.999999', '9999-12-31 23:59:59.999999',"
            " '2026-03-29 02:30:00.000001', '{\"a\": 1}', x'00ff', 'y', 'p,q', REPEAT('é', 70000))"
        )
        types = {
            "u": "decimal(20,0)", "n": "decimal(38,10)", "f": "float32", "d": "float64", "b": "boolean",
            "bits": "int32", "y": "int16", "day": "date", "t": "time", "ts": "timestamp", "tz": "timestamptz",
            "j": "json", "raw": "bytes", "e": "text", "s": "text", "l": "text",
        }  # fmt: skip
        ((u, n, f, d, b, bits, y, *rest),) = read_table(table, types).rows
        assert (u, n) == ("18446744073709551615", "1234567890123456789012345678.0123456789")
        assert (d, b, bits, y) == (0.1, True, 320, 2026)
        assert f == pytest.approx(0.1, rel=1e-7)
        assert rest[:3] == [
            date(1000, 1, 1), time(23, 59, 59, 999999), datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001  the column has no zone
        ]  # fmt: skip
        assert rest[4:] == ['{"a": 1}', b"\x00\xff", "y", "p,q", "é" * 70000]

    async def test_zero_dates_are_rejected_or_become_null(self, table: MariaTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id int, day date)")
        await table.execute(
            f"SET STATEMENT sql_mode = '' FOR INSERT INTO {TABLE} VALUES (1, '0000-00-00'),"
            " (2, '2026-00-00'), (3, '2026-01-31')"
        )
        types = {"id": "int32", "day": "date"}
        assert [row[0] for row in read_table(table, types).rows] == [3]
        assert read_table(table, types, zero_dates="null").rows == [
            (1, None),
            (2, None),
            (3, date(2026, 1, 31)),
        ]

    async def test_times_of_more_than_a_day_are_rejected(self, table: MariaTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id int, t time)")
        await table.execute(f"INSERT INTO {TABLE} VALUES (1, '838:59:59'), (2, '-01:00:00'), (3, '01:00:00')")
        got = read_table(table, {"id": "int32", "t": "time"})
        assert (got.rows, [row.record for row in got.rejected]) == ([(3, time(1))], [1, 2])

    async def test_many_rows_come_in_many_blocks(self, table: MariaTable) -> None:
        await table.execute(
            f"CREATE TABLE {TABLE} AS SELECT seq AS id, REPEAT('x', 100) AS x FROM seq_1_to_50000"
        )
        got = read_table(table, {"id": "int64", "x": "varchar(100)"})
        assert [row[0] for row in got.rows] == list(range(1, 50001))
        assert got.records == list(range(1, 50001))

    async def test_an_error_in_the_midst_of_the_rows_is_told(self, table: MariaTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} AS SELECT seq AS id FROM seq_1_to_3")
        query = (
            f"SELECT (SELECT a.id FROM {TABLE} AS a WHERE a.id >= b.id - (b.id = 3)) AS x FROM {TABLE} AS b"
        )
        with pytest.raises(SourceInvalid, match="1242"):
            read_query(table, query, {"x": "int64"})

    async def test_preview_proposes_types_that_hold_what_is_unsigned(self, table: MariaTable) -> None:
        await table.execute(
            f"CREATE TABLE {TABLE} (a bigint unsigned, b int unsigned, c tinyint, d varchar(20), e blob)"
        )
        found = preview(table, DatabaseTable, table_name=TABLE)
        types = [str(column.type) for column in found.columns]
        assert types == ["decimal(20,0)", "int64", "int16", "varchar(20)", "bytes"]


class TestSqlite:
    """A file whose values have types of their own."""

    @pytest.fixture
    def table(self, tmp_path: Any) -> SqliteTable:
        return SqliteTable(tmp_path / "source.db")

    async def test_values_of_another_type_than_the_column_s_are_rejected(self, table: SqliteTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id INT, n INT, name TEXT, x BLOB)")
        await table.execute(
            f"INSERT INTO {TABLE} VALUES (1, 5, 'a', x'00'), (2, 2.5, 'b', NULL), (3, 'many', 'c', NULL),"
            " (4, 7, x'ff', NULL), (5, 8, 'e', 'text'), (6, 9, CAST(x'ff41' AS TEXT), NULL)"
        )
        got = read_table(table, {"id": "int64", "n": "int32", "name": "text", "x": "bytes"})
        assert got.rows == [(1, 5, "a", b"\x00")]
        assert got.reasons == [
            (2, "n", "wrong_type"), (3, "n", "wrong_type"), (4, "name", "wrong_type"), (5, "x", "wrong_type"),
            (6, "name", "invalid_encoding"),
        ]  # fmt: skip

    async def test_numbers_are_taken_where_they_are_exact(self, table: SqliteTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id INT, d NUMERIC, f REAL)")
        await table.execute(
            f"INSERT INTO {TABLE} VALUES (1, 10.5, 1), (2, 3, 0.1), (3, 0.125, NULL), (4, 1, 9e999)"
        )
        got = read_table(table, {"id": "int64", "d": "decimal(10,2)", "f": "float64"})
        assert got.rows == [(1, "10.50", 1.0), (2, "3.00", 0.1)]
        assert got.reasons == [(3, "d", "too_precise"), (4, "f", "not_finite")]

    async def test_a_text_with_a_nul_is_rejected(self, table: SqliteTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id INT, name TEXT)")
        await table.execute(f"INSERT INTO {TABLE} VALUES (1, 'a' || char(0) || 'b')")
        assert read_table(table, {"id": "int64", "name": "text"}).reasons == [(1, "name", "nul_character")]

    async def test_a_query_can_reach_no_other_file(self, table: SqliteTable) -> None:
        await table.execute(f"CREATE TABLE {TABLE} (id INT)")
        with pytest.raises(PenstockError):
            read_query(table, "SELECT load_extension('x') AS id", {"id": "int64"})

"""The keys by which a table is read in ranges: of which type, under which collation, by which index."""

from dataclasses import replace

import pytest

from services.etl.loaders._database_reading import DatabaseReading
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import SourceInvalid
from tests.integration.etl_data.jobs import TABLE, Jobs, PostgresTable
from tests.integration.etl_data.sources import read_table, source_of, table_params
from tests.integration.etl_data.test_database_flow import many

KEYS: list[tuple[str, str, list[str]]] = [
    ("bigint", "bigint unsigned", ["0", "1", "9007199254740993", "9007199254740992"]),
    ("numeric(30,3)", "decimal(30,3)", ["-1.5", "0.001", "12345678901234567890.123", "0.002"]),
    ("numeric", "decimal(30,10)", ["1.0", "1.0000000001", "1.0000000002"]),
    ("text", "varchar(40) COLLATE utf8mb4_general_ci", ["'a'", "'B'", "'ä''x'", "'c'", "'日本'", "''"]),
    ('text COLLATE "C"', "varchar(40) COLLATE utf8mb4_bin", ["'a'", "'B'", "'A'", "'b '", "'b'"]),
    ("char(5)", "char(5)", ["'a'", "'b'", "'ab'", "'abcde'"]),
    ("uuid", "uuid", [f"'{digit}0000000-0000-4000-8000-00000000000{digit}'" for digit in "0a1f9"]),
    ("bytea", "varbinary(40)", []),
    ("date", "date", ["'2026-01-01'", "'0001-01-01'", "'9999-12-31'"]),
    ("timestamp", "datetime(6)", ["'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000002'"]),
    ("timestamptz", "timestamp(6)", ["'2026-01-01 00:00:00.000001'", "'2026-10-25 01:30:00'"]),
    ("time", "time(6)", ["'23:59:59.999999'", "'00:00:00'", "'12:00:00.5'"]),
    ("boolean", "tinyint(1)", ["true", "false"]),
    ("double precision", "bit(40)", ["1", "2", "7"]),
    ("real", "year", ["1990", "2026", "1901"]),
]


@pytest.mark.parametrize(("here", "there", "values"), KEYS)
async def test_keys_of_every_type_are_compared_exactly(
    on_server: Jobs, here: str, there: str, values: list[str]
) -> None:
    table, is_postgres = on_server.table, isinstance(on_server.table, PostgresTable)
    if not values:
        values = [f"'\\x{hexed}'" if is_postgres else f"x'{hexed}'" for hexed in ("00", "ff27", "", "5c")]
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (k {here if is_postgres else there} PRIMARY KEY, n int)")
    if there.endswith("_bin"):
        values = [value for value in values if is_postgres or value != "'b '"]  # its blanks don't count
    for at, value in enumerate(values):
        await table.execute(f"INSERT INTO {TABLE} VALUES ({value}, {at})")
    ordered = [row[0] for row in await table.rows(f"SELECT n FROM {TABLE} ORDER BY k")]
    for size in (1, 2):
        got = read_table(table, {"n": "int32"}, partition_rows=size)
        assert [row[0] for row in got.rows] == ordered
        kind = "bytes" if here == "bytea" else "text"
        with_key = read_table(table, {"n": "int32", "k": kind}, partition_rows=size)
        assert [row[0] for row in with_key.rows] == ordered


@pytest.mark.postgres
@pytest.mark.parametrize(
    "index",
    [
        'UNIQUE INDEX i ON goods (name COLLATE "C")',
        "UNIQUE INDEX i ON goods (name) WHERE id > 0",
        "UNIQUE INDEX i ON goods (lower(name))",
        "UNIQUE INDEX i ON goods (name text_pattern_ops)",
        "UNIQUE INDEX i ON goods (id) INCLUDE (name)",
        "INDEX i ON goods (name)",
    ],
)
async def test_an_index_of_postgresql_that_does_not_order_the_whole_column_is_none(
    in_postgres: Jobs, index: str
) -> None:
    """Of two names that are unique in bytes and equal in the column's collation, one would be missed."""
    table = in_postgres.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(
        "CREATE COLLATION anyhow (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    collation = "COLLATE anyhow" if '"C"' in index else ""
    await table.execute(f"CREATE TABLE {TABLE} (id int NOT NULL, name text {collation} NOT NULL)")
    await table.execute(f"CREATE {index}")
    with pytest.raises(SourceInvalid, match="no unique index over just 'name'"):
        read_table(table, {"id": "int32"}, partition_rows=2, partition_columns=["name"])


@pytest.mark.postgres
async def test_names_that_only_a_collation_takes_for_one_are_read_in_its_order(in_postgres: Jobs) -> None:
    table = in_postgres.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(
        "CREATE COLLATION anyhow (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    await table.execute(f"CREATE TABLE {TABLE} (id int NOT NULL, name text COLLATE anyhow PRIMARY KEY)")
    await table.execute(f"INSERT INTO {TABLE} VALUES (1, 'b'), (2, 'A'), (3, 'a''\\c'), (4, 'C')")
    got = read_table(table, {"id": "int32"}, partition_rows=1)
    assert got.rows == [(2,), (3,), (1,), (4,)]


@pytest.mark.postgres
async def test_rows_of_tables_that_inherit_have_no_key_of_their_parents(in_postgres: Jobs) -> None:
    table = in_postgres.table
    await table.execute(f"CREATE TABLE child () INHERITS ({TABLE})")
    await table.execute(f"INSERT INTO {TABLE} (id) VALUES (1)")
    await table.execute("INSERT INTO child (id) VALUES (1)")
    with pytest.raises(SourceInvalid, match="no primary key"):
        read_table(table, {"id": "int64"}, partition_rows=1)


@pytest.mark.postgres
async def test_a_table_of_many_partitions_is_read_by_its_key(in_postgres: Jobs) -> None:
    table = in_postgres.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY) PARTITION BY HASH (id)")
    for part in range(3):
        await table.execute(
            f"CREATE TABLE part{part} PARTITION OF {TABLE} FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
        )
    await table.execute(f"INSERT INTO {TABLE} SELECT generate_series(1, 50)")
    got = read_table(table, {"id": "int64"}, partition_rows=7)
    assert [row[0] for row in got.rows] == list(range(1, 51))


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("kind", "index", "why"),
    [
        ("enum('b','a')", "(k)", "is enum"),
        ("set('b','a')", "(k)", "is set"),
        ("double", "(k)", "is double"),
        ("varchar(200)", "(k(10))", "no unique index"),
        ("varchar(200)", "USING HASH (k)", "no unique index"),
    ],
)
async def test_a_key_of_mysql_whose_order_is_not_how_it_compares_is_refused(
    in_mysql: Jobs, kind: str, index: str, why: str
) -> None:
    """'b' is the first of the ENUM, and above 'a' where it is compared with a text."""
    table = in_mysql.table
    await table.execute(f"DROP TABLE {TABLE}")
    engine = "MEMORY" if "HASH" in index else "InnoDB"
    await table.execute(f"CREATE TABLE {TABLE} (k {kind} NOT NULL, UNIQUE {index}) ENGINE {engine}")
    with pytest.raises(SourceInvalid, match=why):
        read_table(table, {"k": "text"}, partition_rows=1, partition_columns=["k"])


@pytest.mark.parametrize("size", [1, 2, 3, 20])
async def test_keys_of_every_type_of_sqlite_come_in_its_order(in_sqlite: Jobs, size: int) -> None:
    """By the collation of the index: that of the column takes 'a' and 'A' for one."""
    table = in_sqlite.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (k COLLATE NOCASE NOT NULL, n int)")
    await table.execute(f"CREATE UNIQUE INDEX byte ON {TABLE} (k COLLATE BINARY)")
    values = ["-9223372036854775808", "1", "1.5", "0.1", "9e999", "'a'", "'A'", "''", "x''", "x'00ff'"]
    values += ["'a' || char(0) || 'b'", "CAST(x'ff' AS TEXT)"]
    for at, value in enumerate(values):
        await table.execute(f"INSERT INTO {TABLE} VALUES ({value}, {at})")
    got = read_table(table, {"n": "int32"}, partition_rows=size, partition_columns=["k"])
    assert [values[row[0]] for row in got.rows] == [
        *("-9223372036854775808", "0.1", "1", "1.5", "9e999", "''", "'A'", "'a'"),
        *("'a' || char(0) || 'b'", "CAST(x'ff' AS TEXT)", "x''", "x'00ff'"),
    ]


@pytest.mark.parametrize(
    "ddl", ["k text PRIMARY KEY, n int", "n int, k integer PRIMARY KEY DESC", "n int, k integer PRIMARY KEY"]
)
async def test_a_primary_key_of_sqlite_is_found_however_it_is_declared(in_sqlite: Jobs, ddl: str) -> None:
    """Only of the last of them nobody can insert a NULL."""
    table = in_sqlite.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} ({ddl})")
    await table.execute(f"INSERT INTO {TABLE} (k, n) VALUES (3, 3), (1, 1), (2, 2)")
    assert read_table(table, {"n": "int32"}, partition_rows=2).rows == [(1,), (2,), (3,)]
    await table.execute(f"INSERT INTO {TABLE} (k, n) VALUES (NULL, 4)")
    if ddl.endswith("integer PRIMARY KEY"):
        assert len(read_table(table, {"n": "int32"}, partition_rows=2).rows) == 4
        return
    with pytest.raises(SourceInvalid, match="'k' has a NULL"):
        read_table(table, {"n": "int32"}, partition_rows=2)


async def test_a_range_is_a_range_of_the_index(on_server: Jobs) -> None:
    """Not the whole table, sorted once for each range."""
    table, is_postgres = on_server.table, isinstance(on_server.table, PostgresTable)
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (a int, b varchar(9), n int, UNIQUE (n), PRIMARY KEY (a, b))")
    await table.execute(f"INSERT INTO {TABLE} SELECT id, 'x', id FROM ({many(on_server, 3000)}) AS s")
    await table.execute(f"{'ANALYZE' if is_postgres else 'ANALYZE TABLE'} {TABLE}")
    loader = DatabaseTable.of(table_params({"n": "int32"}, partition_rows=2))
    with DatabaseReading(loader, source_of(table)) as reading:
        selection, session = reading.begin(), reading.session
        assert selection.key is not None
        low, high = [(a, "x") if is_postgres else (a.encode(), b"x") for a in ("100", "2900")]
        sql = session.key_sql
        between = [sql.beyond(selection.key, low), sql.up_to(selection.key, high)]
        statement = session.select(["n"], replace(selection, conditions=between, limit=2000))
    if is_postgres:
        plan = " ".join(row[0] for row in await table.rows(f"EXPLAIN {statement}"))
        assert "Index Scan using goods_pkey" in plan
        assert "Index Cond: ((ROW(a," in plan
        assert "Sort" not in plan
        return
    ((*_, kind, _possible, used, _, _, _, extra),) = await table.rows(f"EXPLAIN {statement}")
    assert (kind, used, "filesort" in extra) == ("range", "PRIMARY", False)

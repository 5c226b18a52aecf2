import pytest

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Dialect, Sql, Statement, Work
from services.etl.tables.errors import SchemaMissing, TargetRefused
from services.etl.tables.targets.base import Target
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column

from .target_contract import TargetContract, carry_out, look, place_of, published

pytestmark = pytest.mark.mariadb


def running(*statements: Sql) -> Work:
    return Work(tuple(Statement(sql, "safe", "It is asked for.") for sql in statements))


class TestMysqlTarget(TargetContract):
    @pytest.fixture
    def target(self, mysql: Target) -> Target:
        return mysql

    @pytest.fixture
    def dialect(self) -> Dialect:
        return DIALECTS["mysql"]

    @pytest.fixture
    def location(self, mariadb_database: MariaDsn) -> Location:
        return Location(mariadb_database.database, "All `Types` %s")

    @pytest.fixture
    def plain(self, mariadb_database: MariaDsn) -> Location:
        return Location(mariadb_database.database, "t")

    async def test_a_database_that_is_missing_is_named(self, target: Target) -> None:
        with pytest.raises(SchemaMissing, match="nowhere"):
            await look(target, Location("nowhere", "t"))

    @pytest.mark.parametrize(
        ("statement", "kind"),
        [
            ("CREATE VIEW t AS SELECT 1 AS a", "view"),
            ("CREATE SEQUENCE t", "sequence"),
            ("CREATE TABLE t (a int) ENGINE=MyISAM", "table of MyISAM"),
            ("CREATE TABLE t (a int) WITH SYSTEM VERSIONING", "system versioned"),
        ],
    )
    async def test_other_things_that_have_taken_the_name_are_seen(
        self, target: Target, mariadb_database: MariaDsn, plain: Location, statement: str, kind: str
    ) -> None:
        await mariadb_database.execute(statement)

        seen = await look(target, plain)

        assert seen.physical is not None
        assert seen.physical.kind == kind

    async def test_what_we_never_make_is_seen_in_columns(
        self, target: Target, mariadb_database: MariaDsn, plain: Location
    ) -> None:
        await mariadb_database.execute(
            "CREATE TABLE t (a int AUTO_INCREMENT PRIMARY KEY, b int AS (1 + 1) STORED,"
            " c timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),"
            " d varchar(9) COLLATE utf8mb4_general_ci, e longtext CHECK (d <> 'x'))"
            " COLLATE utf8mb4_nopad_bin"
        )

        seen = await look(target, plain)

        assert seen.physical is not None
        assert [(one.type, one.extra) for one in seen.physical.columns] == [
            ("int", "identity"),
            ("int", "generated"),
            ("timestamp(6)", "on update current_timestamp(6)"),
            ("varchar(9)", "in utf8mb4_general_ci"),
            ("longtext", ""),
        ]

    async def test_indexes_over_beginnings_of_values_do_not_count(
        self, target: Target, mariadb_database: MariaDsn, plain: Location
    ) -> None:
        await mariadb_database.execute(
            "CREATE TABLE t (a int, b varchar(40), UNIQUE one (b(3)), KEY two (a, b))"
        )

        seen = await look(target, plain)

        assert seen.physical is not None
        assert [(one.name, one.columns) for one in seen.physical.indexes] == [("two", ("a", "b"))]

    async def test_a_refusal_repeats_neither_sql_nor_values(self, target: Target, plain: Location) -> None:
        with pytest.raises(TargetRefused) as refused:
            await carry_out(target, place_of(plain), lambda _: running(Sql("SELECT geheim")))

        assert "geheim" not in str(refused.value)
        assert refused.value.__cause__ is None

    async def test_a_table_that_others_refer_to_is_not_dropped(
        self, target: Target, dialect: Dialect, plain: Location, mariadb_database: MariaDsn
    ) -> None:
        definition = TableDefinition(columns=[column("a", "int32", nullable=False)], primary_key=["a"])
        await published(target, dialect, self.wanted(plain, definition))
        await mariadb_database.execute("CREATE TABLE u (a int, FOREIGN KEY (a) REFERENCES t (a))")

        with pytest.raises(TargetRefused, match="depend"):
            await carry_out(target, place_of(plain), lambda _: Work((dialect.drop(plain),)))

    async def test_keys_tell_cases_accents_and_trailing_blanks_apart(
        self, target: Target, dialect: Dialect, plain: Location, mariadb_database: MariaDsn
    ) -> None:
        definition = TableDefinition(columns=[column("a", nullable=False)], primary_key=["a"])
        await published(target, dialect, self.wanted(plain, definition))
        await mariadb_database.execute("INSERT INTO t VALUES ('a'), ('A'), ('á'), ('a '), (''), (' ')")

        assert await mariadb_database.fetch("SELECT count(*) FROM t WHERE a = 'a'") == [(1,)]

    async def test_defaults_come_back_as_they_were_written(
        self, target: Target, dialect: Dialect, plain: Location, mariadb_database: MariaDsn
    ) -> None:
        """Each literal as the server gives it to a row."""
        literals = {
            "text": "it's \\ here",
            "boolean": "true",
            "int64": "-7",
            "decimal(14,2)": "1.50",
            "float32": "0.1",
            "float64": "1e+300",
            "time": "13:45:00",
            "timestamptz": "2026-01-31 13:45:00+00:00",
            "json": '{"a": "\\u00e9\'"}',
            "bytes": "00ff",
        }
        columns = [column(f"c{at}", kind, literal=text) for at, (kind, text) in enumerate(literals.items())]
        columns += [column("today", "date", function="now"), column("at", "timestamptz", function="now")]
        wanted = self.wanted(plain, TableDefinition(columns=columns))
        await published(target, dialect, wanted)
        await mariadb_database.execute("SET time_zone = '+05:00'", "INSERT INTO t () VALUES ()")

        ((*found, today, at),) = await mariadb_database.fetch("SELECT * FROM t")

        assert [str(value) for value in found] == [
            "it's \\ here", "1", "-7", "1.50", "0.10000000149011612", "1e+300", "13:45:00",
            "2026-01-31 13:45:00", '{"a": "\\u00e9\'"}', "b'\\x00\\xff'",
        ]  # fmt: skip
        ((utc,),) = await mariadb_database.fetch("SELECT utc_timestamp(6)")
        assert (today, abs((utc - at).total_seconds()) < 60) == (at.date(), True)

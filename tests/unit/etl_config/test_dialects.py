import pytest

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, key_name

from .making import PLACE, column, flights, key

POSTGRESQL, SQLITE = DIALECTS["postgresql"], DIALECTS["sqlite"]


def test_postgresql_makes_the_table_then_its_index_then_its_comments() -> None:
    table = (
        'CREATE TABLE "public"."flights" (\n'
        '  "carrier" character varying(2) NOT NULL,\n'
        '  "flight" integer NOT NULL,\n'
        "  \"fare\" numeric(14,2) DEFAULT '0.00'::numeric(14,2),\n"
        '  "seen_at" timestamp with time zone DEFAULT now() NOT NULL,\n'
        '  PRIMARY KEY ("carrier", "flight"),\n'
        '  CONSTRAINT "flights_fare_key" UNIQUE ("fare", "seen_at")\n'
        ")"
    )

    assert [statement.sql for statement in POSTGRESQL.create(PLACE, flights())] == [
        table,
        'CREATE INDEX "flights_seen_at_idx" ON "public"."flights" ("seen_at")',
        'COMMENT ON TABLE "public"."flights" IS \'Departures.\'',
        'COMMENT ON COLUMN "public"."flights"."fare" IS \'In dollars.\'',
    ]


def test_sqlite_keeps_decimals_and_times_as_text_that_says_so() -> None:
    table = (
        'CREATE TABLE "flights" (\n'
        '  "carrier" VARCHAR(2) NOT NULL,\n'
        '  "flight" INT NOT NULL,\n'
        "  \"fare\" DECIMAL_TEXT(14,2) DEFAULT '0.00',\n"
        "  \"seen_at\" TIMESTAMPTZ_TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000Z', 'now')) NOT NULL,\n"
        '  PRIMARY KEY ("carrier", "flight")\n'
        ")"
    )

    assert [statement.sql for statement in SQLITE.create(Location(None, "flights"), flights())] == [
        table,
        'CREATE UNIQUE INDEX "flights_fare_key" ON "flights" ("fare", "seen_at")',
        'CREATE INDEX "flights_seen_at_idx" ON "flights" ("seen_at")',
    ]


def test_no_sqlite_type_is_one_that_numbers_rows_by_itself() -> None:
    names = {SQLITE.type_name(ColumnType(kind, length=1, precision=2, scale=1)) for kind in KINDS}

    assert "INTEGER" not in names
    assert len(names) == len(KINDS)


@pytest.mark.parametrize("kind", ["decimal(9,2)", "date", "time", "timestamp", "timestamptz", "json", "uuid"])
def test_what_sqlite_would_turn_into_a_number_has_text_affinity(kind: str) -> None:
    name = SQLITE.type_name(ColumnType.parse(kind))

    assert "TEXT" in name
    assert "INT" not in name


def test_quotes_in_names_and_comments_are_doubled() -> None:
    definition = TableDefinition(columns=[column('a"b', comment="it's \\ here")], comment="")

    statements = [s.sql for s in POSTGRESQL.create(Location('s"x', 't"y'), definition)]

    assert statements == [
        'CREATE TABLE "s""x"."t""y" (\n  "a""b" text\n)',
        'COMMENT ON COLUMN "s""x"."t""y"."a""b" IS \'it\'\'s \\ here\'',
    ]


def test_only_comments_that_changed_are_set_again() -> None:
    before, after = flights(), flights(comment="All departures.")

    changed = POSTGRESQL.comment_statements(PLACE, after, before)

    assert [s.sql for s in changed] == ['COMMENT ON TABLE "public"."flights" IS \'All departures.\'']


def test_dropping_is_said_to_destroy() -> None:
    assert POSTGRESQL.drop(PLACE).risk == "destroys"


def test_a_key_without_a_name_gets_one_of_its_columns() -> None:
    assert key_name("flights", ["carrier", "flight"], "key") == "flights_carrier_flight_key"


def test_long_key_names_are_cut_but_stay_different_and_whole_characters() -> None:
    one, two = (key_name("航班" * 10, ["航空公司", last], "idx") for last in ("甲", "乙"))

    assert one != two
    assert len(one.encode()) <= 63
    assert one.endswith("_idx")


def test_keys_over_several_columns_keep_their_order() -> None:
    definition = TableDefinition(columns=[column("b"), column("a")], indexes=[key("i", "b", "a")])

    assert SQLITE.create(Location(None, "t"), definition)[1].sql == 'CREATE INDEX "i" ON "t" ("b", "a")'

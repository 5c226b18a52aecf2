import pytest

from services.etl.columns import ColumnType
from services.etl.tables.checks import definition_faults, location_faults
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.dialects._mysql_marks import OPTIONS
from services.etl.tables.dialects.mysql import KEY_TEXT

from .making import column, flights, key

MYSQL = DIALECTS["mysql"]
PLACE = Location("shop", "flights")
LETTERS = "abcdefghijklmnopq"


def faults(definition: TableDefinition) -> list[tuple[object, str]]:
    return [(fault.loc, fault.code) for fault in definition_faults(definition, PLACE, MYSQL)]


def table(*columns: ColumnDefinition, **keys: object) -> TableDefinition:
    return TableDefinition.model_validate({"columns": columns} | keys)


def test_one_statement_makes_the_table_with_its_keys_and_comments() -> None:
    (made,) = MYSQL.create(PLACE, flights())

    assert made.sql == (
        "CREATE TABLE `shop`.`flights` (\n"
        "  `carrier` varchar(2) NOT NULL,\n"
        "  `flight` int NOT NULL,\n"
        "  `fare` decimal(14,2) DEFAULT 0.00 COMMENT 'In dollars.',\n"
        "  `seen_at` datetime(6) DEFAULT (UTC_TIMESTAMP(6)) NOT NULL,\n"
        "  PRIMARY KEY (`carrier`, `flight`),\n"
        "  UNIQUE KEY `flights_fare_key` (`fare`, `seen_at`),\n"
        "  KEY `flights_seen_at_idx` (`seen_at`)\n"
        f") {OPTIONS} COMMENT='Departures.'"
    )


def test_a_text_is_bounded_where_it_is_in_a_key_or_an_index() -> None:
    columns = [column("a"), column("b"), column("c"), column("d")]
    definition = table(*columns, primary_key=["a"], unique_keys=[key("u", "b")], indexes=[key("i", "c")])

    held = [MYSQL.held(one, definition) for one in definition.columns]

    assert held == [KEY_TEXT, KEY_TEXT, KEY_TEXT, ColumnType("text")]


def test_backticks_in_names_and_quotes_in_comments_are_doubled() -> None:
    definition = TableDefinition(columns=[column("a`b", comment="it's \\ here")])

    ((made,),) = [[one.sql for one in MYSQL.create(Location("s`x", "t`y"), definition)]]

    assert made.startswith("CREATE TABLE `s``x`.`t``y` (\n  `a``b` longtext COMMENT 'it''s \\ here'\n)")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (Location(None, "t"), "schema_required"),
        (Location("MySQL", "t"), "identifier_reserved"),
        (Location("shop", "t "), "identifier_invalid"),
        (Location("shop", "t\U0001f600"), "identifier_invalid"),
    ],
)
def test_places_that_the_server_refuses_are_faults(location: Location, code: str) -> None:
    assert [fault.code for fault in location_faults(location, MYSQL)] == [code]


@pytest.mark.parametrize(
    ("definition", "loc", "code"),
    [
        (table(column("a", "varchar(16384)")), ("columns", 0, "type"), "type_too_long"),
        (table(column("a", "decimal(38,31)")), ("columns", 0, "type"), "type_too_long"),
        (table(column("a", comment="x" * 1025)), ("columns", 0, "comment"), "comment_too_long"),
        (
            table(column("a"), column("b", comment="a \U0001f600")),
            ("columns", 1, "comment"),
            "comment_invalid",
        ),
        (table(column("a"), comment="\U00010000"), ("comment",), "comment_invalid"),
        (table(column("DB_TRX_ID")), ("columns", 0, "name"), "identifier_reserved"),
        (table(column("a"), indexes=[key("Primary", "a")]), ("indexes", 0, "name"), "identifier_reserved"),
        (
            table(column("a", "json"), indexes=[key("i", "a")]),
            ("indexes", 0, "columns", 0),
            "key_column_unfit",
        ),
        (
            table(column("a", "bytes", nullable=False), primary_key=["a"]),
            ("primary_key", 0),
            "key_column_unfit",
        ),
        (
            table(column("a", "varchar(769)"), unique_keys=[key("u", "a")]),
            ("unique_keys", 0, "columns"),
            "key_too_long",
        ),
        (
            table(*(column(name, "int32") for name in LETTERS), indexes=[key("i", *LETTERS)]),
            ("indexes", 0, "columns"),
            "key_too_long",
        ),
        (
            table(column("a"), indexes=[key(f"i{at}", "a") for at in range(64)]),
            ("indexes",),
            "too_many_keys",
        ),
        (table(*(column(f"c{at}", "varchar(16000)") for at in range(2))), ("columns",), "row_too_long"),
        (table(*(column(f"c{at}") for at in range(200))), ("columns",), "row_too_long"),
    ],
)  # fmt: skip
def test_what_the_server_has_no_room_for_is_a_fault(
    definition: TableDefinition, loc: object, code: str
) -> None:
    assert faults(definition) == [(loc, code)]

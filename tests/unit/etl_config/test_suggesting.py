from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.clients import CatalogTable
from services.etl.columns import ColumnType
from services.etl.previews.definition import PreviewResult
from services.etl.suggestions.naming import fitting, folded, plain
from services.etl.suggestions.nearest import nearest
from services.etl.suggestions.origins import Source, SourceColumn, of_catalog, of_csv, of_data_table
from services.etl.suggestions.proposing import Room, proposed
from services.etl.suggestions.schemas import DataTableOrigin, SuggestTable
from services.etl.tables.checks import definition_faults, location_faults
from services.etl.tables.definition import Default
from services.etl.tables.dialects import DIALECTS, Dialect
from services.etl.tables.editing import drafted
from shared.identifiers import DataTableId

from .making import column, flights

POSTGRESQL, MYSQL, SQLITE = (DIALECTS[name] for name in ("postgresql", "mysql", "sqlite"))
SCHEMAS = {"postgresql": "public", "mysql": "shop", "sqlite": None}


def asked(**changes: Any) -> SuggestTable:
    origin = DataTableOrigin(kind="data_table", table_id=DataTableId(uuid4()))
    return SuggestTable.model_validate({"from": origin, "resource_id": uuid4()} | changes)


def room(dialect: Dialect, *taken: str) -> Room:
    return Room(dialect, SCHEMAS[dialect.name], frozenset(taken))


def text(name: str) -> SourceColumn:
    return SourceColumn(name, ColumnType("text"))


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("int(10) unsigned", "int64"),
        ("bigint(20) unsigned", "decimal(20,0)"),
        ("mediumint(9)", "int32"),
        ("tinyint(4)", "int16"),
        ("year(4)", "int16"),
        ("double(10,2)", "float64"),
        ("NUMERIC", "decimal(38,10)"),
        ("numeric(12, 3)", "decimal(12,3)"),
        ("numeric(3,9)", "text"),
        ("numeric(99)", "text"),
        ("character(3)", "varchar(3)"),
        ("char(0)", "text"),
        ("datetime(3)", "timestamp"),
        ("timestamp(3) with time zone", "timestamptz"),
        ("time(3) without time zone", "time"),
        ("time with time zone", "text"),
        ("integer[]", "text"),
        ("json", "json"),
        ("mediumblob", "bytes"),
        ("varbinary(16)", "bytes"),
        ("enum('int','b')", "text"),
        ("inet", "text"),
        ("", "text"),
    ],
)
def test_a_type_without_an_equal_gets_the_nearest(spelled: str, kind: str) -> None:
    assert str(nearest(spelled)) == kind


@given(st.text(max_size=40))
def test_any_text_at_all_has_a_nearest_type(spelled: str) -> None:
    assert ColumnType.parse(str(nearest(spelled))) == nearest(spelled)


def test_a_name_that_can_stay_stays() -> None:
    assert fitting(' a"b.c 航 ', "other", (), lambda _: True) == ' a"b.c 航 '


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("", (), "other"),
        ("\x00", (), "other"),
        ("  ", (), "other"),
        ("a", ("a",), "a_2"),
        ("A", ("a", "a_2"), "A_3"),
        ("ﬁ", ("fi",), "ﬁ_2"),
    ],
)
def test_a_name_that_is_missing_or_taken_gets_another(
    name: str, taken: tuple[str, ...], expected: str
) -> None:
    assert fitting(name, "other", taken, lambda _: True) == expected


def test_names_that_are_too_long_are_still_told_apart() -> None:
    one, two = (fitting("航" * 40 + end, "other", (), lambda _: True) for end in ("a", "b"))

    assert one != two
    assert max(len(one.encode()), len(two.encode())) <= 63


def test_a_title_becomes_a_name_without_quotes() -> None:
    assert plain("Flights (2026-01).final") == "flights_2026_01_final"


@given(
    st.lists(st.text(max_size=70), min_size=1, max_size=6),
    st.text(max_size=70),
    st.sampled_from([POSTGRESQL, MYSQL, SQLITE]),
)
def test_whatever_the_names_the_suggestion_can_be_made(names: list[str], name: str, dialect: Dialect) -> None:
    source = Source("Title", name, [text(one) for one in names])

    made, notes = proposed(source, asked(), room(dialect, folded(name)))

    location, definition = drafted(made, dialect, SCHEMAS[dialect.name])
    assert not definition_faults(definition, location, dialect)
    assert not location_faults(location, dialect)
    renamed = sum(one.name != given for one, given in zip(definition.columns, names, strict=True))
    assert renamed == sum(note.code == "column_renamed" for note in notes)
    assert folded(location.name) != folded(name)


def test_keys_follow_the_names_of_their_columns() -> None:
    source = Source("T", "t", [text("ctid"), text("b")], ["ctid"], [["b", "ctid"], ["gone"]], [["b"]])

    made, notes = proposed(source, asked(), room(POSTGRESQL))

    assert [one.name for one in made.columns] == ["ctid_", "b"]
    assert made.primary_key == ["ctid_"]
    assert [key.columns for key in made.unique_keys] == [["b", "ctid_"]]
    assert [key.columns for key in made.indexes] == [["b"]]
    assert [note.code for note in notes] == ["column_renamed", "key_nullable"]


def test_more_columns_than_a_table_takes_are_left_out() -> None:
    made, notes = proposed(Source("T", "t", [text(f"c{n}") for n in range(1002)]), asked(), room(POSTGRESQL))

    assert len(made.columns) == 1000
    assert [note.code for note in notes] == ["columns_left_out"]


def test_keys_of_too_many_columns_are_left_out() -> None:
    names = [f"c{number}" for number in range(101)]
    source = Source("T", "t", [text(name) for name in names], names, [names[:33]], [names[:32]])

    made, notes = proposed(source, asked(), room(POSTGRESQL))

    assert (made.primary_key, made.unique_keys, len(made.indexes)) == ([], [], 1)
    assert [note.code for note in notes] == ["keys_left_out"]


def test_a_type_with_too_long_a_name_becomes_a_text() -> None:
    labels = ",".join(f"'label {number}'" for number in range(2000))
    spelled = f"enum({labels})"

    source = of_catalog(catalog({"name": "a", "column_type": spelled}), dialect=MYSQL, to=MYSQL)

    assert (source.columns[0].native, str(source.columns[0].type)) == (None, "text")


@pytest.mark.parametrize(
    ("spelled", "kind", "native"),
    [
        ("bigint(20)", "int64", None),
        ("int(11)", "int32", None),
        ("int(10) unsigned", "text", "int unsigned"),
    ],
)
def test_widths_that_mean_nothing_make_no_type_of_their_own(
    spelled: str, kind: str, native: str | None
) -> None:
    source = of_catalog(catalog({"name": "a", "column_type": spelled}), dialect=MYSQL, to=MYSQL)

    assert (str(source.columns[0].type), source.columns[0].native) == (kind, native)


def test_types_and_defaults_of_another_database_become_ours() -> None:
    native = column("address").model_copy(update={"native": "inet"})
    filled = column("id", "int64").model_copy(update={"default": Default(kept="identity")})

    same = of_data_table("F", "f", flights(native, filled), dialect=POSTGRESQL, to=POSTGRESQL)
    other = of_data_table("F", "f", flights(native, filled), dialect=POSTGRESQL, to=SQLITE)

    assert [one.native for one in same.columns[-2:]] == ["inet", None]
    assert [one.native for one in other.columns[-2:]] == [None, None]
    assert [[code for code, _ in one.lost] for one in other.columns[-2:]] == [
        ["type_without_equal"],
        ["default_left_out"],
    ]
    assert other.columns[2].default == Default(literal="0.00")


def catalog(*fields: dict[str, Any], **more: Any) -> CatalogTable:
    nothing = {"is_nullable": True, "column_default": None, "extra": None, "comment": None}
    facts: dict[str, Any] = {"datasource_id": uuid4(), "name": "t", "comment": None}
    facts |= {"keys": [], "indexes": [], "constraints": []}
    return CatalogTable.model_validate(facts | {"fields": [nothing | one for one in fields]} | more)


def index(*columns: str | None, **more: Any) -> dict[str, Any]:
    parts = [{"column": one} for one in columns]
    return {"is_unique": False, "predicate": None, "parts": parts} | more


def test_indexes_over_whole_columns_are_taken_over() -> None:
    table = catalog(
        {"name": "a", "column_type": "integer"},
        {"name": "b", "column_type": "integer"},
        keys=[{"kind": "unique", "columns": ["b"]}],
        indexes=[
            index("a"),
            index("b", is_unique=True),
            index("a", None),
            index("a", predicate="a > 1"),
        ],
        constraints=[{}],
    )

    source = of_catalog(table, dialect=POSTGRESQL, to=POSTGRESQL)

    assert (list(source.unique_keys), list(source.indexes)) == ([["b"]], [["a"]])
    assert [code for code, _ in source.lost] == ["constraints_left_out", "indexes_left_out"]


def test_a_primary_key_is_not_null_whatever_its_database_allows() -> None:
    keys = [{"kind": "primary", "columns": ["a"]}]
    fields = [{"name": name, "column_type": "TEXT"} for name in ("a", "b")]

    source = of_catalog(catalog(*fields, keys=keys), dialect=SQLITE, to=SQLITE)

    assert [one.nullable for one in source.columns] == [False, True]


@pytest.mark.parametrize(
    ("facts", "default", "codes"),
    [
        ({"column_type": "integer", "column_default": "5"}, Default(literal="5"), []),
        ({"column_type": "integer", "column_default": "nextval('s'::regclass)"}, None, ["default_left_out"]),
        ({"column_type": "integer", "column_default": "random()"}, None, ["default_left_out"]),
        ({"column_type": "integer", "extra": "generated always as identity"}, None, ["default_left_out"]),
        ({"column_type": "text", "column_default": "'it''s'::text"}, Default(literal="it's"), []),
    ],
)
def test_defaults_that_can_be_made_are_taken_over(
    facts: dict[str, Any], default: Default | None, codes: list[str]
) -> None:
    source = of_catalog(catalog({"name": "a"} | facts), dialect=POSTGRESQL, to=MYSQL)

    assert source.columns[0].default == default
    assert [code for code, _ in source.columns[0].lost] == codes


def test_a_database_that_holds_no_data_tables_can_be_an_origin() -> None:
    source = of_catalog(
        catalog({"name": "a", "column_type": "NUMBER(5,1)", "column_default": "1"}), dialect=None, to=SQLITE
    )

    assert str(source.columns[0].type) == "decimal(5,1)"


def test_what_only_the_beginning_of_a_file_says_is_no_promise() -> None:
    facts = {"params": {}, "rows": [], "rows_read": 1, "size": 9}
    columns = [{"name": "a", "type": "int64", "nullable": False, "reason": "seen"}]

    partly, whole = (
        of_csv("f.csv", PreviewResult.model_validate(facts | {"columns": columns, "complete": complete}))
        for complete in (False, True)
    )

    assert (partly.columns[0].nullable, whole.columns[0].nullable) == (True, False)

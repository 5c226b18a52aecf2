import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import Default
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.physical import PhysicalColumn

POSTGRESQL = DIALECTS["postgresql"]

PLAIN = [ColumnType(kind) for kind in KINDS if kind not in {"varchar", "decimal"}]
SIZED = [ColumnType("varchar", length=7), ColumnType("decimal", precision=38, scale=38)]


@pytest.mark.parametrize("kind", [*PLAIN, *SIZED], ids=str)
def test_a_type_is_read_back_as_itself(kind: ColumnType) -> None:
    assert POSTGRESQL.type_of(POSTGRESQL.type_name(kind)) == kind


@pytest.mark.parametrize("spelled", ["inet", "numeric", "numeric(50,2)", "numeric(5,-2)", "integer[]"])
def test_a_type_that_none_of_ours_travels_in_is_none_of_ours(spelled: str) -> None:
    assert POSTGRESQL.type_of(spelled) is None


def test_a_type_that_is_nearly_one_of_ours_travels_in_that() -> None:
    assert POSTGRESQL.type_of("timestamp(3) with time zone") == ColumnType("timestamptz")
    assert POSTGRESQL.type_of("json") == ColumnType("json")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("int4", "integer"),
        (" CHARACTER  VARYING ( 3 ) ", "character varying(3)"),
        ("varchar", "character varying"),
        ("char", "character(1)"),
        ('"char"', '"char"'),
        ("bpchar", "bpchar"),
        ("bit", "bit(1)"),
        ("decimal(05, 2)", "numeric(5,2)"),
        ("numeric(5)", "numeric(5,0)"),
        ("float(24)", "real"),
        ("timestamp(3)", "timestamp(3) without time zone"),
        ("timestamptz[]", "timestamp with time zone[]"),
        ("timetz(2)", "time(2) with time zone"),
        ("interval day to second(3)", "interval day to second(3)"),
        ("text[3][]", "text[]"),
        ("pg_catalog.int8", "bigint"),
        ('"inet"', "inet"),
        ('Sales."Big Mood"', 'sales."Big Mood"'),
        ("geometry(Point, 4326)", "geometry(Point,4326)"),
    ],
)
def test_a_name_of_a_type_is_spelled_as_the_catalog_does(text: str, spelled: str) -> None:
    assert POSTGRESQL.native_name(text) == spelled
    assert POSTGRESQL.native_name(spelled) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "serial",
        "bigserial[]",
        "pg_catalog.serial",
        "anyelement",
        "record",
        "void",
        "_int4",
        "int; DROP TABLE x",
        "int DEFAULT 5",
        "int NOT NULL",
        "int) , x int",
        "int -- more",
        "int /* more */",
        'text COLLATE "C"',
        "mood('x')",
        "numeric(1",
        "a.b.c",
        "x" * 64,
        '"' + "x" * 64 + '"',
        "int\x00",
        "int UNIQUE",
        "setof int",
        "integer(3)",
        "float(54)",
        "interval of time",
    ],
)
def test_what_is_no_type_of_a_column_is_no_name_of_one(text: str) -> None:
    assert POSTGRESQL.native_name(text) is None


@given(st.text(alphabet="abI1_$.\"'()[];,-/* \n\\", max_size=12))
def test_nothing_that_could_end_a_type_comes_out_of_its_name(text: str) -> None:
    spelled = POSTGRESQL.native_name(text)

    if spelled is not None:
        outside = "".join(spelled.replace('""', "").split('"')[::2])
        assert not set(outside) & set("';\\*/\n")
        assert outside.count("(") == outside.count(")") <= 1
        assert POSTGRESQL.native_name(spelled) == spelled


@pytest.mark.parametrize(
    ("held", "kind", "spelled", "default"),
    [
        ("integer", "int32", "'-7'::integer", Default(literal="-7")),
        ("bigint", "int64", "5", Default(literal="5")),
        ("numeric(14,2)", "decimal(14,2)", "12.5::numeric(14,2)", Default(literal="12.50")),
        ("numeric(14,2)", "decimal(14,2)", "(5)::numeric(14,2)", Default(literal="5.00")),
        ("boolean", "boolean", "true", Default(literal="true")),
        ("text", "text", "'it''s \\'::text", Default(literal="it's \\")),
        ("character varying(5)", "varchar(5)", "'abc'::text", Default(literal="abc")),
        (
            "double precision",
            "float64",
            "'-20000000000'::double precision",
            Default(literal="-20000000000.0"),
        ),
        ("bytea", "bytes", "'\\x00ff'::bytea", Default(literal="00ff")),
        ("inet", "text", "'10.0.0.1'::inet", Default(literal="10.0.0.1")),
        ("timestamp with time zone", "timestamptz", "CURRENT_TIMESTAMP", Default(function="now")),
        ("date", "date", "((now() AT TIME ZONE 'UTC'::text))::date", Default(function="now")),
        ("date", "date", "(timezone('UTC'::text, now()))::date", Default(function="now")),
        ("text", "text", "NULL::text", None),
        ("date", "date", "CURRENT_DATE", Default(kept="CURRENT_DATE")),
        ("text", "text", "('a'::text || 'b'::text)", Default(kept="('a'::text || 'b'::text)")),
        ("double precision", "float64", "'NaN'::double precision", Default(kept="'NaN'::double precision")),
        ("integer", "int32", "nextval('s'::regclass)", Default(kept="nextval('s'::regclass)")),
    ],
)
def test_a_default_is_read_back_as_ours_or_kept(
    held: str, kind: str, spelled: str, default: Default | None
) -> None:
    column = PhysicalColumn("c", held, nullable=True, default=spelled)

    assert POSTGRESQL.default_of(column, ColumnType.parse(kind)) == default


def test_a_text_that_is_longer_than_our_defaults_may_be_is_kept() -> None:
    column = PhysicalColumn("c", "text", nullable=True, default=f"'{'x' * 2001}'::text")

    assert POSTGRESQL.default_of(column, ColumnType("text")) == Default(kept=column.default)


def test_what_fills_a_column_by_itself_is_kept() -> None:
    column = PhysicalColumn("c", "integer", nullable=False, extra="identity")

    assert POSTGRESQL.default_of(column, ColumnType("int32")) == Default(kept="identity")

import pytest

from services.etl.columns import ColumnType
from services.etl.tables.literals import LiteralUnfit, canonical, same


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("text", "", ""),
        ("varchar(3)", "航班a", "航班a"),
        ("boolean", "true", "true"),
        ("int16", "-32768", "-32768"),
        ("int64", "+0042", "42"),
        ("decimal(5,2)", "-0012.3", "-12.30"),
        ("decimal(5,2)", "-0", "0.00"),
        ("decimal(38,0)", "9" * 38, "9" * 38),
        ("decimal(4,4)", "0.1234", "0.1234"),
        ("float64", "1e3", "1000.0"),
        ("date", "2026-02-28", "2026-02-28"),
        ("time", "13:45", "13:45:00"),
        ("timestamp", "2026-01-31T13:45", "2026-01-31 13:45:00"),
        ("timestamptz", "2026-01-31T13:45:00+02:00", "2026-01-31 11:45:00+00:00"),
        ("json", '{"a": 1.00}', '{"a": 1.00}'),
        ("uuid", "018F0000000070008000000000000001", "018f0000-0000-7000-8000-000000000001"),
        ("bytes", "00FF", "00ff"),
    ],
)
def test_a_value_is_kept_in_one_spelling(kind: str, text: str, expected: str) -> None:
    assert canonical(ColumnType.parse(kind), text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "a\x00b"),
        ("varchar(3)", "abcd"),
        ("boolean", "yes"),
        ("int16", "32768"),
        ("int32", "1.0"),
        ("int32", "١"),
        ("decimal(5,2)", "1234"),
        ("decimal(5,2)", "1.234"),
        ("decimal(5,2)", "NaN"),
        ("decimal(5,2)", "1e2"),
        ("float32", "1e39"),
        ("float64", "inf"),
        ("date", "2026-02-30"),
        ("time", "13:45:00+02:00"),
        ("time", "13:45:00.1234567"),
        ("timestamp", "2026-01-31 13:45:00,1234560"),
        ("timestamptz", "2026-01-31T13:45:00.1234567Z"),
        ("timestamp", "2026-01-31T13:45:00Z"),
        ("timestamptz", "2026-01-31T13:45:00"),
        ("timestamptz", "0001-01-01T00:00:00+14:00"),
        ("json", "{"),
        ("json", "NaN"),
        ("json", "1e400"),
        ("json", '"\\u0000"'),
        ("json", "[" * 100_000),
        ("uuid", "1234"),
        ("bytes", "0g"),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(LiteralUnfit):
        canonical(ColumnType.parse(kind), text)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("json", '{"a":1,"b":[]}', '{"b": [], "a": 1}'),
        ("json", "1e2", "100"),
        ("float32", "16777217", "16777216"),
        ("decimal(5,2)", "5", "5.00"),
        ("timestamptz", "2026-01-31T13:45:00+01:00", "2026-01-31 12:45:00Z"),
        ("text", "a", "a"),
    ],
)
def test_two_spellings_of_one_value_are_the_same(kind: str, one: str, other: str) -> None:
    assert same(ColumnType.parse(kind), one, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("json", "1", "true"),
        ("json", "12345678901234567890", "12345678901234567891"),
        ("text", "1", "1.0"),
        ("int32", "1", "one"),
    ],
)
def test_two_values_are_not_the_same(kind: str, one: str, other: str) -> None:
    assert not same(ColumnType.parse(kind), one, other)

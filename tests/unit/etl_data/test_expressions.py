"""What expressions mean, how they are read, and what is said of those that can't be used."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline.arrow_types import arrow_schema, arrow_type
from services.etl.pipeline.expression import can_be_null, checked, columns_of
from services.etl.pipeline.expression_running import Rows, evaluate
from services.etl.pipeline.expression_tree import MAX_DEPTH, MAX_LENGTH, ExpressionInvalid


def wall(*parts: int) -> datetime:
    """A time on a clock whose zone isn't known."""
    return datetime.fromisoformat(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*parts, *(0,) * (6 - len(parts)))
    )


COLUMNS = Columns(
    Column(name=name, type=ColumnType.parse(kind))
    for name, kind in {
        "a": "int64", "b": "int32", "p": "decimal(14,2)", "wide": "decimal(38,5)", "f": "float64",
        "t": "text",
        "v": "varchar(9)", "d": "date", "m": "timestamp", "z": "timestamptz", "j": "json", "u": "uuid",
        "o": "boolean", "x y": "int16", "raw": "bytes",
    }.items()
)  # fmt: skip
ROW: dict[str, Any] = {
    "a": 5, "b": 3, "p": Decimal("-7.25"), "wide": Decimal("9" * 33), "f": 1.5, "t": " Ab-c ", "v": "né",
    "d": date(2024, 1, 31), "m": wall(2024, 3, 31, 2, 30),
    "z": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    "j": '{"a": {"b": [1.10, true, null]}}', "u": "018f0000-0000-7000-8000-000000000000", "o": True,
    "x y": -4,
    "raw": b"\x00",
}  # fmt: skip

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def over(text: str, **changed: Any) -> tuple[Any, list[str]]:
    """The value of an expression for one row, its Arrow type as declared, and the codes of what failed."""
    node = checked(text, COLUMNS)
    batch = pa.RecordBatch.from_pylist([ROW | changed], schema=arrow_schema(COLUMNS))
    arrays = {name: batch.column(name) for name in COLUMNS.names}
    value = evaluate(node, Rows(arrays, np.array([7]), NOW))
    assert node.type is None or value.array.type == arrow_type(node.type)
    return value.array[0].as_py(), [problem.code for problem in value.problems if problem.rows.any()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2", 11), ("(a + b) * 2", 16), ("a - b - 1", 1), ("-a + 2", -3), ("2 * -3", -6), ("+a", 5),
        ("-7 % 3", -1), ("mod(a, -3)", 2), ('"x y" + 1', -3), ("not o or o", True),
        ("1 + 2 = 3 and o", True), ("not a = 5", False), ("a = 5 or 1 / 0 = 1", True),
        ("'x' || a || 'y'", "x5y"), ("'it''s'", "it's"), ("a between 5 and 6", True),
        ("a not between 5 and 6", False), ("a in (1, 5)", True), ("a not in (1, 5)", False),
        ("t is null", False), ("t IS NOT NULL", True), ("t like '%b_c%'", True), ("t not like '%z%'", True),
        ("case when a > 9 then 'x' when o then 'y' end", "y"), ("case b when 1 then 'x' else 'y' end", "y"),
        ("if(o, a, 0)", 5), ("CASE WHEN null THEN 1 ELSE 2 END", 2), ("a <> 5", False), ("a != 4", True),
        ("a >= 5.0", True), ("p < 0", True), ("p = -7.250", True), ("p = wide", False), ("1e3", 1000.0),
        ("12345678901234567890", Decimal(12345678901234567890)),
    ],
)  # fmt: skip
def test_operators_bind_as_in_sql(text: str, value: Any) -> None:
    assert over(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("a + 1", 6, "int64"), ("p + 1", "-6.25", "decimal(15,2)"),
        ("p * 1.10", "-7.9750", "decimal(18,4)"), ("p / 3", "-2.416667", "decimal(18,6)"),
        ("a / 2", "2.500000", "decimal(25,6)"), ("p % 2", "-1.25", "decimal(14,2)"),
        ("5 / 8", "0.625000", "decimal(7,6)"), ("round(p, 1)", "-7.3", "decimal(14,1)"),
        ("round(p)", "-7", "decimal(13,0)"), ("floor(p)", "-8", "decimal(13,0)"),
        ("ceil(p)", "-7", "decimal(13,0)"), ("abs(p)", "7.25", "decimal(14,2)"),
        ("wide - 1", "9" * 32 + "8", "decimal(38,5)"), ("wide / wide", "1", "decimal(38,6)"),
        ("-p", "7.25", "decimal(14,2)"), ("greatest(p, 1, 2.125)", "2.125", "decimal(15,3)"),
        ("cast(p as decimal(20,3)) * 1", "-7.25", "decimal(22,3)"), ("round(a, 2)", 5, "int64"),
        ("b", 3, "int32"), ("b + b", 6, "int64"), ("f * 2.5", 3.75, "float64"), ("f + a", 6.5, "float64"),
        ("power(2, b)", 8.0, "float64"), ("sqrt(16)", 4.0, "float64"), ("round(1.5e0)", 2.0, "float64"),
        ("coalesce(b, a)", 3, "int64"),
        ("cast(greatest(null, null) as int16)", None, "int16"), ("floor(0.99)", 0, "decimal(1,0)"),
    ],
)  # fmt: skip
def test_numbers_are_exact_and_have_stated_types(text: str, value: Any, kind: str) -> None:
    assert str(checked(text, COLUMNS).type) == kind
    assert over(text) == (Decimal(value) if isinstance(value, str) else value, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("upper(trim(t)) || '-' || a", "AB-C-5"), ("lower(t)", " ab-c "), ("ltrim(t)", "Ab-c "),
        ("rtrim(t)", " Ab-c"), ("trim('xxaxx', 'x')", "a"), ("length(v)", 2), ("substring(t, 2, 2)", "Ab"),
        ("substring(t, b)", "b-c "), ("left(v, 1)", "n"), ("left(t, b)", " Ab"), ("right(v, 1)", "é"),
        ("right(v, 0)", ""), ("right(v, 9)", "né"), ("right(t, b)", "-c "), ("lpad(v, 4, '0')", "00né"),
        ("lpad(v, 1)", "n"), ("rpad(v, 5, 'ab')", "néaba"), ("rpad(v, b, '.')", "né."),
        ("replace(t, '-', '+')", " Ab+c "), ("replace(t, '', 'x')", " Ab-c "),
        ("split_part(t, '-', 2)", "c "), ("split_part(t, '-', 3)", None),
        ("split_part(t, '', 1)", " Ab-c "), ("concat(t, null, 1)", " Ab-c 1"),
        ("concat(null, v || null)", ""), ("t || null", None), ("p || ''", "-7.25"),
        ("starts_with(v, 'n')", True), ("ends_with(v, 'n')", False), ("contains(t, v)", False),
        ("regex_matches(t, '^\\s\\w+-')", True), ("regex_replace(t, '(\\w)-(\\w)', '\\2-\\1')", " Ac-b "),
        ("regex_extract(t, '[a-z]')", "b"), ("regex_extract(t, '([A-Z])([a-z])', 2)", "b"),
        ("regex_extract(t, 'z')", None), ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("length(sha256(v))", 64), ("json_value(j, 'a.b[0]')", "1.10"), ("json_value(j, 'a.b[1]')", "true"),
        ("json_value(j, 'a.b[2]')", None), ("json_value(j, 'a.b')", None), ("json_value(j, 'a.c')", None),
        ("d || ''", "2024-01-31"), ("nullif(v, 'né')", None), ("coalesce(null, v)", "né"),
    ],
)  # fmt: skip
def test_texts_count_characters_from_one(text: str, value: Any) -> None:
    assert over(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("date_add('month', 1, d)", date(2024, 2, 29)), ("date_add('quarter', -1, d)", date(2023, 10, 31)),
        ("date_add('year', -1, date_add('month', 1, d))", date(2023, 2, 28)),
        ("date_add('week', 1, d)", date(2024, 2, 7)),
        ("date_add('hour', -3, m)", wall(2024, 3, 30, 23, 30)),
        ("date_trunc('week', d)", date(2024, 1, 29)),
        ("date_trunc('week', z)", datetime(1969, 12, 29, tzinfo=UTC)),
        ("date_trunc('quarter', m)", wall(2024, 1, 1)),
        ("date_trunc('minute', z)", datetime(1969, 12, 31, 23, 59, tzinfo=UTC)),
        ("extract(year from d)", 2024), ("extract('week', d)", 5), ("extract(day_of_week from d)", 3),
        ("extract(epoch from z)", -1), ("extract(iso_year from date_add('year', -3, d))", 2021),
        ("extract(day_of_year from m)", 91), ("extract(minute from m)", 30),
        ("date_diff('day', d, '2024-02-02')", 2), ("date_diff('week', '2024-01-28', d)", 1),
        ("date_diff('month', d, '2024-02-01')", 1), ("date_diff('year', d, today())", 2),
        ("date_diff('second', z, now())", 1767323046),
        ("in_zone(z, 'Asia/Shanghai')", wall(1970, 1, 1, 7, 59, 59)), ("d > '2024-01-30'", True),
        ("in_zone(date_add('hour', 1, m), 'Europe/Berlin')", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("now()", NOW), ("today()", NOW.date()), ("record_number()", 7), ("cast(d as timestamp) < m", True),
        ("least(z, now())", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("m = '2024-03-31T02:30:00'", True),
        ("in_zone(cast('2050-07-01 12:00:00' as timestamp), 'Europe/Berlin')",
         datetime(2050, 7, 1, 10, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_those_of_the_calendar(text: str, value: Any) -> None:
    assert over(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a / (b - 3)", "division_by_zero"), ("a % 0", "division_by_zero"), ("p % 0.0", "division_by_zero"),
        ("f / 0", "division_by_zero"), ("a + 9223372036854775807", "overflow"),
        ("a * -9223372036854775807", "overflow"), ("wide * wide", "overflow"), ("wide + wide", "overflow"),
        ("1e308 * f * 10", "overflow"), ("sqrt(-1)", "negative_root"), ("power(-8, 0.5e0)", "overflow"),
        ("cast(t as int64)", "not_an_integer"), ("cast(a * 9999 as int16)", "lossy_cast"),
        ("substring(t, 0)", "out_of_range"), ("left(t, -1)", "out_of_range"),
        ("lpad(t, 10001)", "out_of_range"), ("split_part(t, '-', 0)", "out_of_range"),
        ("date_add('year', 9000, d)", "out_of_range"),
        ("date_add('day', 9223372036854775807, d)", "out_of_range"),
        ("in_zone(m, 'Europe/Berlin')", "no_such_time"), ("json_value(t, 'a')", "not_json"),
        ("coalesce(a / 0, 1)", "division_by_zero"), ("a / 0 is null", "division_by_zero"),
        ("o and a / 0 = 1", "division_by_zero"), ("if(a / 0 = 1, 1, 2)", "division_by_zero"),
        ("abs(-9223372036854775807 - 1)", "overflow"), ("a * 1801439850948199 + f", "lossy_cast"),
        ("concat(1 / 0)", "division_by_zero"),
    ],
)  # fmt: skip
def test_what_can_not_be_computed_fails_in_its_row(text: str, code: str) -> None:
    assert over(text)[1] == [code]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("case when b = 3 then 0 else a / (b - 3) end", 0), ("coalesce(a, a / 0)", 5),
        ("o or a / 0 = 1", True), ("not o and a / 0 = 1", False), ("if(o, a, a / 0)", 5),
        ("try(a / 0)", None), ("coalesce(try(a / 0), 1)", 1), ("try_cast(t as int64)", None),
        ("case when not o then 1 / 0 when o then 2 when 1 / 0 = 1 then 3 end", 2),
    ],
)  # fmt: skip
def test_what_is_not_reached_does_not_fail(text: str, value: Any) -> None:
    assert over(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("a +", 3, "a value is missing"), ("a b", 2, "an operator is missing before 'b'"),
        ("(a", 2, "')' is expected"), ("'abc", 0, "text is not closed"),
        ('a + "b', 4, "name is not closed"), ("a ; b", 2, "';' has no meaning"),
        ("12ab", 2, "ends with a letter"), ("a + nope", 4, "no column 'nope'"),
        ("foo(a)", 0, "no function 'foo'"), ("round(a, b)", 9, "from 0 to 38"),
        ("substring(t)", 0, "substring(t, from, count)"), ("f * p", 4, "don't mix"),
        ("t + 1", 0, "joined by ||"), ("upper(a)", 6, "a text is expected"),
        ("a = t", 4, "no type in common"), ("u = u || ''", 6, "no type in common"),
        ("d = 'soon'", 4, "is no date"), ("b = 3.5e0 + p", 12, "don't mix"), ("j = j", 2, "json_value"),
        ("o < true", 2, "no order"), ("cast(a as date)", 0, "can't be cast"),
        ("cast(m as timestamptz)", 0, "in_zone"), ("cast(a as int)", 10, "no column type"),
        ("regex_matches(t, '(')", 17, "RE2"), ("regex_matches(t, t)", 17, "single quotes"),
        ("regex_replace(t, 'a', '\\1')", 22, "no group"), ("regex_extract(t, 'a', 1)", 22, "has 0 groups"),
        ("date_trunc('hour', d)", 11, "a date has no hour"),
        ("date_add('aeon', 1, d)", 9, "no unit 'aeon'"), ("in_zone(m, 'Mars/Crater')", 11, "no time zone"),
        ("and", 0, "double quotes"), ("json_value(j, 'a..b')", 14, "can't be read"),
        ("case a end", 7, "'when' is expected"), ("a not 5", 6, "behind 'not'"),
        ("not a", 4, "true or false"), ("sqrt(p)", 5, "cast the decimal"), ("t like v", 7, "single quotes"),
        ("1e999", 0, "too large"), ("9" * 39, 0, "38 digits"),
        ("wide * wide * wide * wide * wide * wide * wide * wide", 47, "behind the point"),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH, "longer than"),
        ("+".join("a" * (MAX_DEPTH + 1)), 119, "levels"), ("(" * 100 + "a" + ")" * 100, 60, "levels"),
        ("-" * 100 + "a", 60, "levels"), ("__import__('os')", 0, "no function"),
        ("", 0, "a value is missing"), ("a.b", 1, "has no meaning"), ("raw || 'x'", 0, "can't be cast"),
        ("lower(u)", 6, "cast it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_offset(text: str, at: int, says: str) -> None:
    with pytest.raises(ExpressionInvalid) as raised:
        checked(text, COLUMNS, loc=("expression",))
    assert says in str(raised.value)
    assert raised.value.all_faults()[0].loc == ("expression", at)


def test_a_thousand_brackets_are_refused_and_not_followed() -> None:
    with pytest.raises(ExpressionInvalid, match="levels"):
        checked("(" * 3999, COLUMNS)


def test_a_whole_number_of_a_narrow_column_is_compared_as_what_it_is() -> None:
    assert over('"x y" = 70000')[0] is False


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("n + 1", False), ("a + 1", True), ("coalesce(a, 0)", False), ("coalesce(a, null)", True),
        ("nullif(n, 1)", True), ("case when o then 1 end", True), ("if(o, n, 1)", False),
        ("a is null", False), ("try_cast('1' as int64)", True),
    ],
)  # fmt: skip
def test_it_is_known_without_data_whether_a_value_may_be_null(text: str, nullable: bool) -> None:
    columns = COLUMNS.with_column(Column(name="n", type=ColumnType("int64"), nullable=False))
    assert can_be_null(checked(text, columns), columns) is nullable


def test_the_columns_of_an_expression_are_known() -> None:
    assert columns_of(checked('if(o, a, b) + coalesce("x y", a)', COLUMNS)) == {"o", "a", "b", "x y"}

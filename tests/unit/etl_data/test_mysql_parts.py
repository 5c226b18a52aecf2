"""The parts of the MySQL target that need no server: literals, statements, errors, names."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from pymysql import err

from services.etl.columns import Column, ColumnType
from services.etl.destinations import _mysql_text
from services.etl.destinations._mysql_errors import translated
from services.etl.destinations._mysql_sql import Found, lock_name, stage_name
from services.etl.destinations._mysql_text import field, lines
from services.etl.destinations._mysql_values import keeps, limited, literals, statements
from services.etl.pipeline.casting import Cast
from services.etl.pipeline.errors import TargetBusy, TargetRefused, TargetUnfit


@pytest.mark.parametrize(
    ("kind", "values", "spelled"),
    [
        (pa.int64(), [-(2**63), None], ["-9223372036854775808", None]),
        (pa.bool_(), [True, False], ["1", "0"]),
        (pa.decimal128(38, 10), [Decimal("1E-10"), Decimal("-12.5")], ["0.0000000001", "-12.5000000000"]),
        (pa.float64(), [0.1, 1e300, 5.0], ["0.1e0", "1e+300", "5e0"]),
        (pa.float32(), [0.1], ["0.10000000149011612e0"]),
        (pa.string(), ["it's", "\\", "", None], ["'it''s'", "'\\'", "''", None]),
        (pa.binary(), [b"\x00'", b"", None], ["X'0027'", "X''", None]),
        (pa.timestamp("us", "UTC"), [1], ["'1970-01-01 00:00:00.000001'"]),
    ],
)
def test_values_are_spelled_so_that_the_server_reads_them_exactly(
    kind: Any, values: list[Any], spelled: list[str | None]
) -> None:
    assert literals(pa.array(values, kind)).to_pylist() == spelled


@pytest.mark.parametrize(
    ("kind", "values", "spelled"),
    [
        (pa.int64(), [-(2**63), None], ["-9223372036854775808", None]),
        (pa.bool_(), [True, False, None], ["1", "0", None]),
        (pa.decimal128(38, 10), [Decimal("1E-10"), Decimal("-12.5")], ["0.0000000001", "-12.5000000000"]),
        (pa.float64(), [0.1, 1e300, 5.0], ["0.1", "1e+300", "5"]),
        (pa.float32(), [0.1], ["0.10000000149011612"]),
        (pa.string(), ["it's", "\\N", "a\tb\nc", "", None], ["it's", "\\\\N", "a\\\tb\\\nc", "", None]),
        (pa.binary(), [b"\x00'\xff", b"", None], ["0027FF", "", None]),
        (pa.timestamp("us", "UTC"), [1], ["1970-01-01 00:00:00.000001"]),
        (pa.time64("us"), [1], ["00:00:00.000001"]),
        (pa.date32(), [-354_285], ["1000-01-01"]),
    ],
)
def test_fields_are_spelled_so_that_a_load_reads_them_exactly(
    kind: Any, values: list[Any], spelled: list[str | None]
) -> None:
    array = pa.array([values[0], *values], kind)
    assert field(array.slice(1)).to_pylist() == spelled


def test_rows_become_lines_and_null_is_not_empty() -> None:
    batch = pa.RecordBatch.from_pydict({"a": pa.array([1, None], pa.int64()), "b": ["", None]})
    assert b"".join(lines(batch)) == b"1\t\n\\N\t\\N\n"
    assert b"".join(lines(batch.slice(1).select(["b"]))) == b"\\N\n"
    assert list(lines(batch.slice(2))) == []


def test_many_bytes_become_lines_in_parts_that_end_with_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["x" * 10] * 100})
    monkeypatch.setattr(_mysql_text, "_PART_BYTES", 100)
    parts = [bytes(part) for part in lines(batch)]
    assert len(parts) > 10
    assert all(part.endswith(b"x\n") for part in parts)
    assert b"".join(parts) == (b"x" * 10 + b"\n") * 100


def made(rows: int, *, at_most: int, server_limit: int = 10**6) -> list[tuple[int, bytes]]:
    batch = pa.RecordBatch.from_pydict({"a": list(range(rows)), "b": ["x"] * rows}).slice(1)
    return list(statements(batch, before="I ", after=" E", at_most=at_most, server_limit=server_limit))


def test_rows_become_statements_of_about_a_size() -> None:
    assert made(4, at_most=16) == [(2, b"I (1,'x'),(2,'x') E"), (1, b"I (3,'x') E")]
    assert made(4, at_most=1) == [(1, f"I ({number},'x') E".encode()) for number in (1, 2, 3)]
    assert made(1, at_most=100) == []


def test_null_in_a_row_is_null() -> None:
    batch = pa.RecordBatch.from_pydict({"a": pa.array([None], pa.int64()), "b": ["NULL"]})

    ((_, statement),) = statements(batch, before="", after="", at_most=9, server_limit=99)

    assert statement == b"(NULL,'NULL')"


def test_a_row_longer_than_the_server_takes_is_refused_without_its_values() -> None:
    with pytest.raises(TargetRefused, match="max_allowed_packet of 9") as refused:
        made(4, at_most=100, server_limit=9)
    assert "x" not in str(refused.value).replace("max_allowed_packet", "")


def found(declared: str, *, precision: int | None = None, scale: int | None = None) -> Found:
    data_type, _, _ = declared.partition("(")
    return Found("c", data_type, declared, True, None, "", None, None, precision, scale)  # noqa: FBT003 - as the catalog's row


@pytest.mark.parametrize(
    ("column", "kind", "kept"),
    [
        (found("int"), "int64", True),
        (found("double"), "int64", False),
        (found("decimal(9,2)", scale=2), "decimal(20,2)", True),
        (found("decimal(20,1)", scale=1), "decimal(9,2)", False),
        (found("float"), "float32", True),
        (found("float"), "float64", False),
        (found("char(9)"), "text", False),
        (found("varchar(9)"), "text", True),
        (found("datetime(6)", precision=6), "timestamptz", True),
        (found("datetime(3)", precision=3), "timestamptz", False),
        (found("binary(9)"), "bytes", False),
    ],
)
def test_columns_that_could_change_a_value_are_not_written(column: Found, kind: str, kept: bool) -> None:
    assert keeps(column, ColumnType.parse(kind)) is kept


def test_limits_blank_the_cells_and_keep_those_that_were_bad_already() -> None:
    cast = limited(
        Cast(pa.array([0.0, -0.0, None, -1.0])), Column(name="f", type=ColumnType.parse("float64"))
    )
    assert cast.array.to_pylist() == [0.0, None, None, -1.0]
    assert [(cell.row, cell.value, cell.code) for cell in cast.bad] == [(1, "-0.0", "negative_zero")]


def test_json_is_as_deep_as_every_server_takes_it() -> None:
    deep = [
        "[" * 31 + "]" * 31,
        "[" * 32 + "]" * 32,
        '"' + "[" * 40 + '"',
        '{"a":["\\"",' + "[" * 30 + "]" * 31 + "}",
    ]
    shallow = ["[" + "[1]," * 40 + "1]", None]
    cast = limited(Cast(pa.array([*deep, *shallow])), Column(name="j", type=ColumnType.parse("json")))
    assert [(cell.row, cell.code) for cell in cast.bad] == [(1, "too_deep"), (3, "too_deep")]
    assert cast.array.to_pylist() == [deep[0], None, deep[2], None, *shallow]


@pytest.mark.parametrize(
    ("number", "said", "kind", "reason"),
    [
        (1205, "Lock wait timeout exceeded", TargetBusy, "a lock on the table"),
        (2013, "Lost connection", TargetBusy, "the connection broke"),
        (1146, "Table 'shop.secret' doesn't exist", TargetUnfit, "it is not there"),
        (1062, "Duplicate entry 'secret' for key 'PRIMARY'", TargetRefused, r"another one \(PRIMARY\)"),
        (1264, "Out of range value for column `d`.`goods`.`id` at row 2", TargetRefused, "column id"),
        (1406, "Data too long for column 'name' at row 1", TargetRefused, "too long, column name"),
        (1048, "Column 'name' cannot be null", TargetRefused, "NULL, column name"),
        (1366, "Incorrect string value: 'secret' for column `d`.`t`.`c` at row 1", TargetRefused, "column c"),
        (1644, "secret", TargetRefused, "a trigger"),
        (1792, "Cannot execute statement in a READ ONLY transaction", TargetRefused, "is read-only"),
        (1064, "You have an error near 'secret'", TargetRefused, "error 1064"),
        (1062, f"for key '{'secret' * 99}'", TargetRefused, "another one"),
    ],
)
def test_errors_of_the_server_are_transient_or_not_and_tell_no_value(
    number: int, said: str, kind: type, reason: str
) -> None:
    told = translated(err.OperationalError(number, said))

    assert type(told) is kind
    assert re.search(reason, str(told))
    assert "secret" not in str(told)


def test_names_fit_and_differ() -> None:
    assert lock_name("a", "b") != lock_name("ab", "")
    assert len(lock_name("x" * 64, "y" * 300)) <= 64
    assert len(stage_name(uuid4())) <= 64

"""The parts of targets that need no server: encoders, affinities, names of sessions and locks."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import numpy as np
import pyarrow as pa
import pytest

from services.etl.columns import ColumnType
from services.etl.destinations import _ledger
from services.etl.destinations._encoding import BinaryEncoder, PhysicalColumn, TextEncoder, encoder_for
from services.etl.destinations._postgresql_copy import SentRows
from services.etl.destinations._postgresql_errors import translated
from services.etl.destinations._postgresql_sql import lock_number
from services.etl.destinations._sqlite_values import affinity, keeps
from services.etl.destinations.postgresql import Postgresql
from services.etl.pipeline.errors import TargetBusy, TargetRefused, TargetUnfit


def encoded(columns: list[tuple[str, Any, list[Any]]], *, built_in: bool = True) -> Any:
    physical = [
        PhysicalColumn(f"c{at}", name, built_in=built_in, modifier=-1)
        for at, (name, _, _) in enumerate(columns)
    ]
    arrays = [pa.array(values, kind) for _, kind, values in columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in physical])
    encoder = encoder_for(physical, batch.schema)
    return encoder, encoder.header() + encoder.encode(batch) + encoder.trailer()


def test_types_of_the_allow_list_go_in_binary() -> None:
    encoder, _ = encoded(
        [("int8", pa.int64(), [1]), ("jsonb", pa.string(), ["{}"]), ("uuid", pa.string(), [None]),
         ("numeric", pa.decimal128(5, 2), [Decimal("1.50")])]
    )  # fmt: skip
    assert isinstance(encoder, BinaryEncoder)


@pytest.mark.parametrize("name", ["citext", "inet", "interval", "json", "_int4"])
def test_one_other_type_sends_the_table_as_text(name: str) -> None:
    encoder, _ = encoded([("int8", pa.int64(), [1]), (name, pa.string(), ["x"])])
    assert isinstance(encoder, TextEncoder)


def test_a_domain_with_the_name_of_a_built_in_type_goes_as_text() -> None:
    encoder, _ = encoded([("int8", pa.int64(), [1])], built_in=False)
    assert isinstance(encoder, TextEncoder)


def test_text_is_escaped_so_that_every_value_comes_back() -> None:
    _, data = encoded(
        [("citext", pa.string(), ["a\tb\\N\n\r", None, "\\N", ""]),
         ("bytea", pa.binary(), [b"\x00\xff", None, b"", b"a"]),
         ("numeric", pa.decimal128(14, 8), [Decimal("0.00000001"), None, Decimal(1), Decimal(-1)])]
    )  # fmt: skip
    assert data.decode().split("\n")[:-1] == [
        "a\\tb\\\\N\\n\\r\t\\\\x00ff\t0.00000001",
        "\\N\t\\N\t\\N",
        "\\\\N\t\\\\x\t1.00000000",
        "\t\\\\x61\t-1.00000000",
    ]


def test_a_column_that_can_not_hold_the_values_is_told_and_not_cut() -> None:
    with pytest.raises(TargetUnfit) as raised:
        encoded([("int4", pa.int64(), [2**40])])
    assert "c0" in str(raised.value)


@pytest.mark.parametrize(
    ("declared", "kind", "kept"),
    [
        ("DECIMAL_TEXT(20,2)", "decimal(20,2)", True),
        ("NUMERIC(20,2)", "decimal(20,2)", False),
        ("TIMESTAMPTZ_TEXT", "timestamptz", True),
        ("TIMESTAMP", "timestamp", False),
        ("BIGINT", "int64", True),
        ("TEXT", "int64", False),
        ("DOUBLE", "float64", True),
        ("POINT", "text", False),
        ("", "text", True),
        ("BLOB", "bytes", True),
    ],
)
def test_sqlite_columns_keep_values_by_their_affinity(declared: str, kind: str, kept: bool) -> None:
    assert keeps(declared, ColumnType.parse(kind)) is kept


def test_affinities_follow_the_rules_in_their_order() -> None:
    names = ("CHARINT", "FLOATING POINT", "VARCHAR(9)", "STRING", "DECIMAL(9,2)")
    assert [affinity(name) for name in names] == ["INTEGER", "INTEGER", "TEXT", "NUMERIC", "NUMERIC"]


class _Problem(asyncpg.PostgresError):  # type: ignore[misc]  # it ships no types
    pass


def error(state: str, **facts: str) -> Any:
    problem = _Problem("secret value 42")
    problem.sqlstate = state
    for name, value in facts.items():
        setattr(problem, name, value)
    return problem


@pytest.mark.parametrize(
    ("state", "kind"),
    [("55P03", TargetBusy), ("40001", TargetBusy), ("57P01", TargetBusy), ("53300", TargetBusy),
     ("08006", TargetBusy), ("23505", TargetRefused), ("22003", TargetRefused), ("42501", TargetRefused)],
)  # fmt: skip
def test_errors_of_the_server_are_transient_or_not_and_tell_no_value(state: str, kind: type) -> None:
    found = translated(
        error(state, constraint_name="goods_pkey", context='COPY goods, line 3, column a: "42"')
    )
    assert type(found) is kind
    assert "42" not in str(found).replace(state, "")


def test_a_copy_error_names_row_and_column() -> None:
    found = translated(error("22P02", context='COPY goods, line 3, column kind: "odd"'))
    assert str(found).endswith("row 3 of the rows that were sent, column kind.")


def test_a_copy_error_names_the_record_where_that_is_known() -> None:
    sent = SentRows()
    sent.add(2, np.array([4, 7]))
    sent.add(1, None)
    sent.add(2, np.array([9, 11]))
    assert [sent.record(row) for row in range(7)] == [None, 4, 7, None, 9, 11, None]
    found = translated(error("22P02", context='COPY goods, line 5, column kind: "odd"'), sent.record)
    assert str(found).endswith("record 11, column kind.")
    found = translated(error("23505", constraint_name="k", context="COPY goods, line 2"), sent.record)
    assert str(found).endswith("(k), record 7.")


@pytest.mark.parametrize("broken", [ConnectionResetError(), asyncpg.InternalClientError("state 11")])
async def test_a_broken_connection_is_transient(broken: Exception) -> None:
    async def breaks() -> None:
        raise broken

    target = Postgresql.__new__(Postgresql)
    target._from_source, target._sent = None, SentRows()
    with pytest.raises(TargetBusy):
        await target._guarded(breaks)


def test_locks_of_tables_differ_and_sessions_have_short_names() -> None:
    assert lock_number("a") != lock_number("b")
    assert -(2**63) <= lock_number("a") < 2**63
    assert len(_ledger.application_name(uuid4(), 2**63 - 1)) <= 63

"""Bad files through the queue: the run fails with a code or counts its rejects; nothing is half-written."""

import sqlite3
from typing import Any

import pytest

from tests.acceptance.process import ETL, Penstock
from tests.acceptance.workshop import HEADER, Workshop, rows


def rows_in(penstock: Penstock, name: str) -> list[tuple[object, ...]]:
    """The rows of a table of the warehouse, read from its file."""
    file = penstock.var / "sqlite" / "default" / "warehouse.db"
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(f'SELECT id, name, amount FROM "{name}" ORDER BY id').fetchall()
    finally:
        connection.close()


def ended(workshop: Workshop, name: str, content: bytes, **limits: Any) -> dict[str, object]:
    """The run of a file into a table of the same name."""
    table = workshop.table(name, workshop.warehouse())
    task = workshop.task(name, workshop.upload(f"{name}.csv", content), table, **limits)
    return workshop.finished(workshop.start(task))


FATAL = {
    "an_unterminated_quote": rows(2000) + b'2001,"never closed,1.00\n2002,b,1.00\n',
    "bytes_that_are_not_utf8": rows(2000) + b"2001,\xff\xfe,1.00\n",
    "a_duplicate_header": b"id,name,name\n1,a,b\n",
    "a_missing_column": b"id,name\n1,a\n",
    "an_empty_file": b"",
}


@pytest.mark.parametrize("name", FATAL)
def test_a_file_that_can_not_be_read_fails_the_run_and_writes_nothing(
    penstock: Penstock, tenant_one: Workshop, name: str
) -> None:
    run = ended(tenant_one, name, FATAL[name])
    assert run["state"] == "failed", run
    problem = run["problem"]
    assert isinstance(problem, dict)
    assert problem["code"] not in {"internal_error", "child_lost"}
    assert problem["message"]
    assert rows_in(penstock, name) == []


def test_a_file_with_a_header_alone_is_a_run_over_no_rows(penstock: Penstock, tenant_one: Workshop) -> None:
    run = ended(tenant_one, "zero_rows", f"{HEADER}\n".encode())
    assert run["state"] == "succeeded", run
    assert isinstance(run["counts"], dict)
    assert (run["counts"]["read"], run["counts"]["written"]) == (0, 0)
    assert rows_in(penstock, "zero_rows") == []


def test_bad_rows_are_counted_and_named_within_the_limit(penstock: Penstock, tenant_one: Workshop) -> None:
    bad = f"{HEADER}\n1,a,1.00\nx,b,2.00\n3,c,much\n4,d,4.00\n".encode()
    run = ended(tenant_one, "bad_rows", bad, max_rejects=5)
    assert run["state"] == "succeeded", run
    assert isinstance(run["counts"], dict)
    assert [run["counts"][name] for name in ("read", "written", "rejected")] == [4, 2, 2]
    rejects = tenant_one.caller.items(f"{ETL}/runs/{run['id']}/rejects")
    assert [(one["record"], one["column"], one["value"]) for one in rejects] == [
        (2, "id", "x"),
        (3, "amount", "much"),
    ]
    assert rows_in(penstock, "bad_rows") == [(1, "a", "1.00"), (4, "d", "4.00")]


def test_more_bad_rows_than_the_limit_fail_the_run_and_write_nothing(
    penstock: Penstock, tenant_one: Workshop
) -> None:
    bad = rows(1000) + b"x,b,2.00\ny,c,3.00\n"
    run = ended(tenant_one, "too_many", bad, max_rejects=1)
    assert run["state"] == "failed", run
    assert isinstance(run["problem"], dict)
    assert "reject" in run["problem"]["code"]
    assert rows_in(penstock, "too_many") == []

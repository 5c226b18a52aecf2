"""A statement that takes too long is told as that, and not as somebody else's lock."""

import asyncpg
import pymysql
import pytest

from services.etl.tables.errors import TargetBusy, TargetHalfway, TargetRefused
from services.etl.tables.targets import _mysql_errors, _postgresql_errors


@pytest.mark.parametrize("number", [1317, 1969, 3024])
def test_mysql_says_that_it_took_too_long(number: int) -> None:
    found = _mysql_errors.refusal(pymysql.err.OperationalError(number, "Query execution was interrupted"))

    assert isinstance(found, TargetRefused)
    assert "took too long" in str(found)


def test_postgresql_says_that_it_took_too_long() -> None:
    error = asyncpg.QueryCanceledError("canceling statement due to statement timeout")

    assert isinstance(_postgresql_errors.refusal(error), TargetRefused)
    assert isinstance(_postgresql_errors.halfway(error), TargetHalfway)
    assert "took too long" in str(_postgresql_errors.refusal(error))


def test_a_lock_that_does_not_come_free_is_somebody_elses() -> None:
    error = asyncpg.LockNotAvailableError("canceling statement due to lock timeout")

    assert isinstance(_postgresql_errors.refusal(error), TargetBusy)
    assert isinstance(_postgresql_errors.halfway(error), TargetHalfway)

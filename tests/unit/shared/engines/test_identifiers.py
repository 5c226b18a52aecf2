import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.engines import postgresql, sqlite
from shared.engines.errors import ConnectFailedForNow, ConnectRefused, IdentifierInvalid

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)


@given(NAMES)
def test_a_quoted_name_names_exactly_that_table(name: str) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE {sqlite.quote('t_' + name)} ({sqlite.quote(name)} INTEGER)")
        assert connection.execute("SELECT name FROM sqlite_master").fetchone() == ("t_" + name,)
    finally:
        connection.close()
    assert postgresql.quote(name) == sqlite.quote(name)


@pytest.mark.parametrize(("name", "reason"), [("", "empty"), ("a\x00b", "NUL"), ("\ud800", "Unicode")])
def test_a_name_that_no_database_takes_is_refused_at_its_place(name: str, reason: str) -> None:
    for engine in (postgresql, sqlite):
        with pytest.raises(IdentifierInvalid, match=reason) as caught:
            engine.check_identifier(name, ("columns", 3, "name"))
        assert caught.value.all_faults()[0].loc == ("columns", 3, "name")


def test_postgresql_counts_bytes_and_sqlite_does_not_care() -> None:
    assert postgresql.check_identifier("ä" * 31) == "ä" * 31
    with pytest.raises(IdentifierInvalid, match="63"):
        postgresql.check_identifier("ä" * 32)
    assert sqlite.check_identifier("ä" * 1000) == "ä" * 1000


def test_both_kinds_of_failure_have_one_code_and_say_whether_to_try_again() -> None:
    refused = ConnectRefused(step="tls", reason="no TLS")
    assert str(refused) == "The connection failed at step tls: no TLS."
    again = ConnectFailedForNow(step="connect", reason="down", hint="Wait.")
    assert str(again) == "The connection failed at step connect: down. Wait."
    assert refused.code() == again.code() == "connect_failed"

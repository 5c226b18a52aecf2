from typing import Any

import pytest
from pydantic import SecretStr

from services.system.resources import connections
from services.system.resources.connections import KEPT, Parts
from services.system.resources.errors import ConnectionInvalid, ResourceTypeFixed, SecretNeeded, TextUnusable
from shared.contracts.connection import TARGET_FIELDS, PostgresqlConnection, SqliteConnection

SETTINGS = {
    "type": "postgresql",
    "host": "db.example",
    "port": 5432,
    "database": "shop",
    "user": "reader",
    "tls": "require",
}
STORED = Parts(SETTINGS, {"password": "sealed"})
WITHOUT_SECRET = Parts(SETTINGS, {})


def test_a_connection_comes_apart_and_together_again() -> None:
    connection = PostgresqlConnection(host="db", user="u", password=SecretStr("p"))
    parts = connections.take_apart(connection)
    assert "password" not in parts.settings
    assert parts.secrets == {"password": "p"}
    assert connections.put_together(parts.settings, parts.secrets) == connection


def test_parts_show_no_secret_when_they_are_printed() -> None:
    connection = PostgresqlConnection(host="db", user="u", password=SecretStr("CANARY"))
    assert "CANARY" not in repr(connections.take_apart(connection))
    assert "CANARY" not in repr(connections.change(STORED, {"password": "CANARY"}))


def test_an_empty_secret_is_none() -> None:
    assert connections.take_apart(PostgresqlConnection(host="db", user="u")).secrets == {}
    assert connections.take_apart(SqliteConnection(file="a.db")).secrets == {}


@pytest.mark.parametrize("user", ["a\x00b", "a\nb", "a\x1b[31m"])
def test_control_characters_are_refused_where_they_are(user: str) -> None:
    with pytest.raises(TextUnusable) as refused:
        connections.take_apart(PostgresqlConnection(host="db", user=user))
    assert refused.value.loc == ("body", "connection", "user")


def test_an_absent_field_stays_null_clears_and_a_value_replaces() -> None:
    assert connections.change(STORED, {}).secrets == {"password": KEPT}
    assert connections.change(STORED, {"database": "other"}).settings["database"] == "other"
    assert connections.change(STORED, {"database": "other"}).secrets == {"password": KEPT}
    assert connections.change(STORED, {"password": None}).secrets == {"password": None}
    assert connections.change(STORED, {"password": "new"}).secrets == {"password": "new"}


CHANGES: dict[str, Any] = {"host": "evil.example", "port": 5433, "user": "writer", "tls": "disable"}


def test_every_target_field_of_postgresql_is_tried_below() -> None:
    assert set(CHANGES) == {
        name for name in TARGET_FIELDS if name in PostgresqlConnection.model_fields and name != "type"
    }


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_target_without_the_secret_is_refused(name: str) -> None:
    with pytest.raises(SecretNeeded) as refused:
        connections.change(STORED, {name: CHANGES[name]})
    assert refused.value.loc == ("body", "connection", "password")
    assert "sealed" not in str(refused.value)


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_target_with_the_secret_or_without_any_is_fine(name: str) -> None:
    patch = {name: CHANGES[name]}
    assert connections.change(STORED, patch | {"password": "again"}).secrets == {"password": "again"}
    assert connections.change(STORED, patch | {"password": None}).secrets == {"password": None}
    assert connections.change(WITHOUT_SECRET, patch).settings[name] == CHANGES[name]


@pytest.mark.parametrize("name", ["host", "port"])
def test_a_null_that_falls_back_to_a_default_is_a_change_of_target_too(name: str) -> None:
    stored = Parts({**SETTINGS, "port": 6000}, {"password": "sealed"})
    with pytest.raises((SecretNeeded, ConnectionInvalid)):
        connections.change(stored, {name: None})


def test_a_resource_keeps_its_type() -> None:
    with pytest.raises(ResourceTypeFixed):
        connections.change(STORED, {"type": "sqlite", "file": "a.db"})


@pytest.mark.parametrize(
    ("patch", "loc"),
    [
        ({"port": 0}, ("body", "connection", "port")),
        ({"port": "x"}, ("body", "connection", "port")),
        ({"host": "/var/run"}, ("body", "connection", "host")),
        ({"surprise": 1}, ("body", "connection", "surprise")),
        ({"password": 5}, ("body", "connection", "password")),
    ],
)
def test_what_is_wrong_in_a_patch_is_named_with_its_place(
    patch: dict[str, Any], loc: tuple[str, ...]
) -> None:
    with pytest.raises(ConnectionInvalid) as refused:
        connections.change(STORED, patch)
    assert [fault.loc for fault in refused.value.faults] == [loc]


def test_an_invalid_secret_is_not_repeated() -> None:
    with pytest.raises(ConnectionInvalid) as refused:
        connections.change(STORED, {"password": ["CANARY"]})
    assert "CANARY" not in repr(refused.value.faults) + str(refused.value)


def test_a_type_that_is_no_longer_known_has_no_secret_fields() -> None:
    assert connections.secret_fields_of("postgresql") == ("password",)
    assert connections.secret_fields_of("gone") == ()

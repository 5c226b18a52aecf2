"""Connection info in two parts: settings, which people may read, and secrets, which they may not."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SecretStr, TypeAdapter, ValidationError

from shared import errors
from shared.contracts.connection import (
    SECRET_FIELDS,
    TARGET_FIELDS,
    ConnectionInfo,
    HttpConnection,
    MysqlConnection,
    PostgresqlConnection,
    S3Connection,
    SqliteConnection,
)

from .errors import ConnectionInvalid, ResourceTypeFixed, SecretNeeded, TextUnusable

AnyConnection = PostgresqlConnection | MysqlConnection | SqliteConnection | HttpConnection | S3Connection
Kept = Literal["kept"]
KEPT: Kept = "kept"
TYPES: Mapping[str, type[AnyConnection]] = {
    model.model_fields["type"].default: model for model in typing.get_args(AnyConnection)
}
"""The connection models by the name of their resource type."""

_ADAPTER: TypeAdapter[AnyConnection] = TypeAdapter(ConnectionInfo)
_LOC: errors.Loc = ("body", "connection")


@dataclass(frozen=True)
class Parts:
    """A connection taken apart. Secrets that are empty are absent."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Change:
    """A changed connection: its settings, and for each secret a new value, None to clear, or "kept"."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str | Kept | None] = field(repr=False)


def take_apart(connection: AnyConnection) -> Parts:
    """Settings and secrets of a connection; raises TextUnusable at a field with control characters."""
    values = connection.model_dump(mode="python")
    settings = {name: value for name, value in values.items() if not isinstance(value, SecretStr)}
    secrets = {
        name: value.get_secret_value()
        for name, value in values.items()
        if isinstance(value, SecretStr) and value.get_secret_value()
    }
    for name, text in (settings | secrets).items():
        if isinstance(text, str) and not text.isprintable():
            raise TextUnusable(loc=(*_LOC, name))
    return Parts(settings, secrets)


def put_together(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> AnyConnection:
    """The connection again; raises ConnectionInvalid with its faults."""
    try:
        return _ADAPTER.validate_python({**settings, **secrets})
    except ValidationError as error:
        raise ConnectionInvalid(faults=_faults(error)) from None


def change(stored: Parts, patch: Mapping[str, Any]) -> Change:
    """The stored connection with a merge patch over it: absent keeps, null clears, a value replaces.

    A change of a field that decides where the secret is sent asks for the secret again: otherwise whoever
    may edit a resource, but not read its password, could have it sent to a server of his own.
    """
    current = stored.settings["type"]
    if patch.get("type", current) != current:
        raise ResourceTypeFixed(loc=(*_LOC, "type"), current=current, given=str(patch["type"])[:40])
    merged = put_together(_merged(stored.settings, patch), _given_secrets(patch))
    parts = take_apart(merged)
    secrets: dict[str, str | Kept | None] = {
        name: KEPT if name not in patch else parts.secrets.get(name) for name in secret_fields_of(current)
    }
    _refuse_redirected(stored, parts.settings, secrets)
    return Change(parts.settings, secrets)


def _merged(settings: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name not in patch}
    given = {name: value for name, value in patch.items() if value is not None and name not in SECRET_FIELDS}
    return kept | given


def _given_secrets(patch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: patch[name] for name in SECRET_FIELDS if patch.get(name) is not None}


def secret_fields_of(resource_type: str) -> tuple[str, ...]:
    """The fields of a type's connection that are kept sealed; none for a type that is no longer known."""
    model = TYPES.get(resource_type)
    return tuple(name for name in SECRET_FIELDS if model and name in model.model_fields)


def _refuse_redirected(
    stored: Parts, settings: Mapping[str, Any], secrets: Mapping[str, str | Kept | None]
) -> None:
    moved = [name for name in TARGET_FIELDS if settings.get(name) != stored.settings.get(name)]
    for name, value in secrets.items():
        if moved and value == KEPT and name in stored.secrets:
            raise SecretNeeded(loc=(*_LOC, name), changed=" and ".join(moved), secret=name)


def _faults(error: ValidationError) -> list[errors.Fault]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        errors.Fault(
            (*_LOC, *(part for part in item["loc"] if part not in TYPES)),
            item["type"],
            item["msg"],
        )
        for item in found
    ]

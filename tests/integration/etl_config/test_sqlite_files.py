"""SQLite files that others have made or written into: what is read of them, within bounds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.errors import NameTaken, TargetRefused
from services.etl.tables.physical import Place, Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.targets import sqlite as module
from services.etl.tables.targets.sqlite import SqliteTarget
from shared.contracts.connection import SqliteConnection
from shared.engines.errors import ConnectRefused
from tests.unit.etl_config.making import TABLE_ID, key

from .conftest import handed_out
from .following import ID, NAME, table
from .sqlite_house import DIALECT, House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def looked(house: House) -> Sight:
    return (await house.target.examine(house.wanted.place, lambda _: ())).sight


async def test_looking_makes_no_file(house: House) -> None:
    assert await looked(house) == Sight(None, None)
    assert await house.target.marked() == []

    assert not house.file.exists()


async def test_a_file_that_is_not_to_be_made_must_be_there(tmp_path: Path) -> None:
    target = SqliteTarget(handed_out(SqliteConnection(file="missing.db")), tmp_path)

    with pytest.raises(ConnectRefused):
        await target.examine(Place(TABLE_ID, Location(None, "t"), ("t",)), lambda _: ())


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("CREATE VIEW T AS SELECT 1", "view"),
        ("CREATE VIRTUAL TABLE t USING fts5(a)", "virtual table"),
    ],
)
async def test_what_else_has_taken_the_name_is_seen(house: House, made: str, kind: str) -> None:
    house.made_by_others(made)

    seen = await looked(house)

    assert seen.physical is not None
    assert seen.physical.kind == kind


@pytest.mark.parametrize(
    "change",
    [
        "comments = 'nonsense'",
        "comments = '[1]'",
        """comments = '{"table": 1}'""",
        """comments = '{"columns": {"a": "\\ud800"}}'""",
        """comments = '{"table": "\\u0000"}'""",
        "comments = x'7b7d'",
        "comments = CAST(x'ff' AS TEXT)",
        "comments = replace(hex(zeroblob(100000)), '0', '[')",
        "fingerprint = x'00'",
        "revision = 'one'",
        "table_name = x'00'",
    ],
)
async def test_a_mark_that_is_not_ours_in_type_and_shape_is_none(house: House, change: str) -> None:
    await house.publish(table(ID))
    house.run(f"UPDATE _penstock_tables SET {change}")

    seen = await looked(house)

    assert seen.mark is None
    assert seen.physical is not None
    json.dumps(seen.to_json(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("comments", "reason"),
    [
        ("comments AS (zeroblob(300000000))", "too long"),
        ("other", "isn't one that Penstock made"),
    ],
)
async def test_a_table_of_marks_that_is_not_ours_is_refused_with_what_to_do(
    house: House, comments: str, reason: str
) -> None:
    house.made_by_others(
        f"CREATE TABLE _penstock_tables (table_id, table_name, revision, fingerprint, {comments})",
        f"INSERT INTO _penstock_tables (table_id, table_name) VALUES ('{TABLE_ID}', 't')",
    )

    with pytest.raises(TargetRefused, match=reason):
        await looked(house)


async def test_a_look_ends_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.made_by_others(
        "CREATE TABLE _penstock_tables (table_id, table_name, revision, fingerprint, comments)",
        "INSERT INTO _penstock_tables (table_id) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1"
        " FROM n LIMIT 20000) SELECT x FROM n",
    )
    monkeypatch.setattr(module, "_SECONDS", -1.0)

    with pytest.raises(TargetRefused, match="more than a minute"):
        await looked(house)


@pytest.mark.parametrize("taken", ["CREATE TABLE ONE (a)", "CREATE INDEX One ON other (a)"])
async def test_a_key_named_as_something_else_is_seen_when_planning(house: House, taken: str) -> None:
    house.made_by_others("CREATE TABLE other (a)", taken)
    wanted = replace(house.wanted, definition=table(ID, NAME, unique_keys=[key("one", "name")]))

    with pytest.raises(NameTaken) as caught:
        planning.make_plan(wanted, await looked(house), DIALECT)

    assert [fault.loc for fault in caught.value.all_faults()] == [("unique_keys", 0, "name")]


async def test_long_comments_of_others_are_cut(house: House) -> None:
    await house.publish(table(ID))
    long = "x" * 3000
    house.run(
        f"""UPDATE _penstock_tables SET comments = '{{"table": "{long}", "columns": {{"id": "{long}"}}}}'"""
    )

    await house.publish(table(ID))

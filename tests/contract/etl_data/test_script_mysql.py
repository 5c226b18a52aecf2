"""What a dry run shows is what MariaDB hears from a run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.etl.columns import Column
from services.etl.destinations.mysql import Mysql
from shared.engines import _mysql_driver as driver
from tests.contract.etl_data.test_scripts import MODES, carried_out, in_order
from tests.integration.etl_data.jobs import TABLE, Jobs, MariaTable
from tests.servers.mariadb import MariaDsn

pytestmark = pytest.mark.mariadb


def shape(statement: str) -> str:
    """A statement without what only the run knows: its id, its values, the types of its stage."""
    statement = re.sub(r"[0-9a-f]{32}|<run>", "RUN", statement)
    statement = re.sub(r"_penstock_(?:[0-9a-f]{12}|<table>)_RUN", "BESIDE", statement)
    statement = re.sub(r"(CREATE TEMPORARY TABLE \S+) .*", r"\1", statement)
    return re.sub(r"'(?:[^']|'')*'|\b\d+\b|\bNULL\b|%s|<now>", "?", " ".join(statement.split()))


def ways(statements: Sequence[str]) -> list[list[str]]:
    """The statements of each way, which a remark begins, after those that all of them have."""
    made: list[list[str]] = [[]]
    for statement in statements:
        if statement.startswith("--"):
            made.append([])
        else:
            made[-1].append(shape(statement))
    common, *several = made
    return [common + way for way in several] or [common]


@dataclass
class HungTable(MariaTable):
    """A table on which something hangs from the beginning."""

    hanging: str = ""

    async def create(self, columns: Sequence[Column], *, key: Sequence[str] = ("id",)) -> None:
        await super().create(columns, key=key)
        if self.hanging:
            await self.execute(self.hanging)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What our connections say."""
    heard, execute = list[str](), driver.Connection._execute_command

    async def listening(self: Any, command: int, said: str | bytes) -> None:
        heard.append(shape(said.decode() if isinstance(said, bytes) else said))
        await execute(self, command, said)

    monkeypatch.setattr(driver.Connection, "_execute_command", listening)
    return heard


@pytest.mark.parametrize("mode", MODES)
async def test_mariadb_hears_what_is_shown(
    mariadb_database: MariaDsn, tmp_path: Path, heard: list[str], mode: Any
) -> None:
    job, columns = await carried_out(Jobs(MariaTable(mariadb_database), tmp_path), mode)
    wanted = ways(Mysql.script(job, columns))[0]
    assert in_order([one for one in wanted if one != "COMMIT"], heard) == []


@pytest.mark.parametrize(
    ("way", "hanging"),
    [
        (1, f"CREATE TRIGGER quiet BEFORE INSERT ON {TABLE} FOR EACH ROW SET @a = 1"),
        (2, f"CREATE TABLE part (goods bigint REFERENCES {TABLE} (id))"),
    ],
)
async def test_each_way_to_replace_is_shown(
    mariadb_database: MariaDsn, tmp_path: Path, heard: list[str], way: int, hanging: str
) -> None:
    table = HungTable(mariadb_database, hanging)
    job, columns = await carried_out(Jobs(table, tmp_path), "replace")
    wanted = ways(Mysql.script(job, columns))[way]
    assert in_order([one for one in wanted if one != "COMMIT"], heard) == []

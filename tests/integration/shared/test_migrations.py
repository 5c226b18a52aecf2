"""Migrations: all or nothing, once, and refused when they would go backwards."""

import asyncio
import concurrent.futures
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared.db import migrations
from shared.db.errors import DatabaseNewer, MigrationMissing
from shared.db.session import Database

ENV = """
    import sqlalchemy as sa
    from shared.db import migrations
    from shared.db.base import new_metadata

    metadata = new_metadata()
    shelf_id = sa.Column("id", sa.Integer, primary_key=True)
    sa.Table("shelf", metadata, shelf_id, sa.Column("name", sa.String(20)))
    sa.Table("book", metadata, sa.Column("shelf_id", sa.Integer, sa.ForeignKey("shelf.id"), nullable=False))
    migrations.run_env(metadata, "alembic_version_library")
"""
FIRST = """
    import sqlalchemy as sa
    from alembic import op

    revision = "0001"
    down_revision = None

    def upgrade():
        op.create_table("shelf", sa.Column("id", sa.Integer, primary_key=True))
        op.create_table("book", sa.Column("shelf_id", sa.Integer, sa.ForeignKey("shelf.id"), nullable=False))
        op.execute("INSERT INTO shelf (id) VALUES (1)")
        op.execute("INSERT INTO book (shelf_id) VALUES (1)")
"""
SECOND = """
    import sqlalchemy as sa
    from alembic import op

    revision = "0002"
    down_revision: str = "0001"

    def upgrade():
        with op.batch_alter_table("shelf", recreate="auto") as shelf:
            shelf.add_column(sa.Column("name", sa.String(20)))
"""
REBUILD = SECOND.replace('recreate="auto"', 'recreate="always"')
BROKEN = """
    from alembic import op

    revision = "0003"
    down_revision = "0002"

    def upgrade():
        op.execute("CREATE TABLE half (id integer)")
        op.execute("INSERT INTO nowhere VALUES (1)")
"""


class Library:
    """A service `library` in a root of its own."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "services" / "library" / "migrations"
        (self.folder / "versions").mkdir(parents=True)
        project = Path(migrations.__file__).parents[2]
        ini = (project / "alembic.ini").read_text()
        section = ini[ini.index("[system]") : ini.index("[meta]")].replace("system", "library")
        (root / "alembic.ini").write_text(section)
        self._write("env.py", ENV)
        self.add("0001", FIRST)

    def add(self, name: str, text: str) -> None:
        self._write(f"versions/{name}_step.py", text)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setattr(migrations, "_ROOT", tmp_path)
    return Library(tmp_path)


@pytest.fixture
async def empty(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


async def ensure(empty: Database, url: str, **options: float) -> None:
    await migrations.ensure_current(empty, url, "library", **({"migrate": True} | options))  # type: ignore[arg-type]  # options of a test


async def count(database: Database, table: str) -> int:
    async with database.read() as session:
        found: int = await session.scalar(sa.text(f"SELECT count(*) FROM {table}"))
        return found


async def test_a_new_database_is_brought_to_the_head(library: Library, empty: Database, url: str) -> None:
    library.add("0002", SECOND)
    assert migrations.head("library") == "0002"
    assert await migrations.current(empty, "library") is None
    await ensure(empty, url)
    assert await migrations.current(empty, "library") == "0002"
    assert await count(empty, "book") == 1
    assert await asyncio.to_thread(migrations.differences, url, "library") == []


async def test_differences_between_models_and_database_are_named(
    library: Library, empty: Database, url: str
) -> None:
    await ensure(empty, url)
    library.add("0002", SECOND.replace('"name"', '"nickname"'))
    await ensure(empty, url)
    found = await asyncio.to_thread(migrations.differences, url, "library")
    assert any("add_column" in difference and "'name'" in difference for difference in found)


async def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(
    library: Library, empty: Database, url: str
) -> None:
    await ensure(empty, url)
    library.add("0002", SECOND if empty.dialect == "postgresql" else REBUILD)
    await ensure(empty, url)
    assert await count(empty, "book") == 1


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    library: Library, empty: Database, url: str
) -> None:
    await ensure(empty, url)
    library.add("0002", SECOND)
    library.add("0003", BROKEN)
    with pytest.raises(DBAPIError):
        await ensure(empty, url)
    assert await migrations.current(empty, "library") == "0001"
    with pytest.raises(DBAPIError):
        await count(empty, "half")


async def test_two_processes_may_upgrade_at_the_same_time(
    library: Library, empty: Database, url: str
) -> None:
    library.add("0002", SECOND)
    program = (
        "import sys, pathlib\nfrom shared.db import migrations\n"
        "migrations._ROOT = pathlib.Path(sys.argv[1])\nmigrations.upgrade(sys.argv[2], 'library')\n"
    )
    command = [sys.executable, "-c", program, str(library.folder.parents[2]), url]

    def upgrade() -> int:
        project = Path(migrations.__file__).parents[2]
        return subprocess.run(command, cwd=project, check=False, timeout=60).returncode

    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = [pool.submit(upgrade) for _ in range(3)]
        assert [await asyncio.wrap_future(one) for one in ended] == [0, 0, 0]
    assert await migrations.current(empty, "library") == "0002"


async def test_without_leave_to_migrate_it_is_refused_with_both_revisions(
    library: Library, empty: Database, url: str
) -> None:
    with pytest.raises(MigrationMissing, match="at revision none, this version needs 0001"):
        await ensure(empty, url, migrate=False, patience=0)


async def test_an_upgrade_by_somebody_else_is_waited_for(library: Library, empty: Database, url: str) -> None:
    waiting = asyncio.create_task(ensure(empty, url, migrate=False, patience=30))
    await asyncio.to_thread(migrations.upgrade, url, "library")
    async with asyncio.timeout(10):
        await waiting


async def test_a_database_of_a_newer_version_is_refused(library: Library, empty: Database, url: str) -> None:
    library.add("0002", SECOND)
    await ensure(empty, url)
    (library.folder / "versions" / "0002_step.py").unlink()
    with pytest.raises(DatabaseNewer, match="at revision 0002"):
        await ensure(empty, url)


async def test_two_heads_are_named(library: Library) -> None:
    library.add("0002", SECOND)
    library.add("0003", SECOND.replace("0002", "0003"))
    with pytest.raises(ValueError, match=r"2 heads.*0002.*0003"):
        migrations.head("library")

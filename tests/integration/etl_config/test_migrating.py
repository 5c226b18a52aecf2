"""What becomes of the rows of a database that an older Penstock has left."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command

from shared.db import migrations

OLD = [
    (
        "INSERT INTO data_table (id, tenant_id, display_name, description, resource_id, resource_type,"
        " schema_name, physical_name, location_key, definition, revision, state, published_revision,"
        " created_at, updated_at, version)"
        " VALUES ('{id}', 'b', 'T', '', 'c', 'postgresql', 'public', '{name}', '{name}',"
        " '{{}}', 2, 'pending', {published}, '2026-01-01', '2026-01-01', 1)"
    ),
    (
        "INSERT INTO data_table_revision (table_id, revision, definition, created_at, created_by,"
        " published_at) VALUES ('{id}', 1, '{{}}', '2026-01-02', 'd', '2026-01-02')"
    ),
]


def test_tables_and_revisions_of_the_first_schema_know_their_place(tmp_path: Path) -> None:
    path = tmp_path / "etl.db"
    url = f"sqlite+aiosqlite:///{path}"
    command.upgrade(migrations._config(url, "etl"), "0001")
    with closing(sqlite3.connect(path)) as old, old:
        for identity, name, published in (("1", "flights", "1"), ("2", "drafted", "NULL")):
            for statement in OLD:
                old.execute(statement.format(id=identity, name=name, published=published))

    migrations.upgrade(url, "etl")

    with closing(sqlite3.connect(path)) as new:
        tables = new.execute("SELECT published_name, tags, changing_id FROM data_table ORDER BY id")
        assert tables.fetchall() == [("flights", "[]", None), (None, "[]", None)]
        revisions = "SELECT schema_name, physical_name, begun_at FROM data_table_revision ORDER BY table_id"
        assert new.execute(revisions).fetchall() == [
            ("public", "flights", "2026-01-02"),
            ("public", "drafted", "2026-01-02"),
        ]

"""Migrations: one history for each service, run by Alembic, checked at every start without importing it.

How a service's migrations look (here `system`; nothing else is needed):

    services/system/migrations/env.py           two lines:
        from services.system.models import Base     (this module imports every model of the service)
        migrations.run_env(Base.metadata, "alembic_version_system")
      after `from shared.db import migrations`

    services/system/migrations/versions/0001_first_tables.py
        import sqlalchemy as sa
        from alembic import op

        from shared.db.types import Json, UtcDateTime, Uuid

        revision = "0001"
        down_revision = None

        def upgrade() -> None:
            op.create_table(
                "outbox",
                sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
                sa.Column("id", Uuid(), nullable=False),
                sa.Column("exchange", sa.String(120), nullable=False),
                sa.Column("routing_key", sa.String(255), nullable=False),
                sa.Column("mandatory", sa.Boolean(), nullable=False),
                sa.Column("type", sa.String(120), nullable=False),
                sa.Column("subject", sa.String(255), nullable=False),
                sa.Column("tenant_id", Uuid(), nullable=True),
                sa.Column("traceparent", sa.String(64), nullable=True),
                sa.Column("data", sa.Text(), nullable=False),
                sa.Column("created_at", UtcDateTime(), nullable=False),
                sa.Column("available_at", UtcDateTime(), nullable=False),
                sa.Column("claimed_until", UtcDateTime(), nullable=True),
                sa.Column("tries", sa.Integer(), nullable=False),
                sa.PrimaryKeyConstraint("position"),
                sa.UniqueConstraint("id"),
            )
            op.create_index("ix_outbox_available_at", "outbox", ["available_at"])

        def downgrade() -> None: ...               (or nothing: releases only go forward)

Constraint names come from the naming convention, also in op.create_table. An upgrade is one transaction in
both dialects: all of its revisions, or none. On SQLite, changes of existing tables go through
`op.batch_alter_table`. Of two processes that upgrade at the same time, one waits for the other.

From the shell: PENSTOCK_SYSTEM_DATABASE_URL=... alembic -n system upgrade head | current | check
"""

import ast
import asyncio
import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, MetaData, pool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from shared.db import engine
from shared.db.errors import DatabaseNewer, MigrationMissing, translated
from shared.db.session import Database
from shared.observe import logs

_ROOT = Path(__file__).resolve().parents[2]
_LOOK_AGAIN_SECONDS = 0.5

_log = logs.get(__name__)
_alembic = threading.Lock()
"""Alembic keeps the current migration in module globals, so one upgrade at a time in a process."""


def version_table(service: str) -> str:
    """The table that holds the revision of a service's database."""
    return f"alembic_version_{service}"


def head(service: str) -> str:
    """The newest revision of a service, read from its files without importing them."""
    revisions = _revisions(service)
    heads = sorted(set(revisions) - set(revisions.values()))
    if len(heads) != 1:
        raise ValueError(f"the migrations of {service} have {len(heads)} heads, and should have one: {heads}")
    return heads[0]


async def current(database: Database, service: str) -> str | None:
    """The revision that a database is at; None when it was never migrated."""
    table = version_table(service)
    exists = (
        "SELECT 1 FROM sqlite_master WHERE name = :name"
        if database.dialect == "sqlite"
        else "SELECT 1 FROM pg_class WHERE oid = to_regclass(:name)"
    )
    async with database.read() as session:
        if await session.scalar(sqlalchemy.text(exists), {"name": table}) is None:
            return None
        revision: str | None = await session.scalar(
            sqlalchemy.select(sqlalchemy.column("version_num")).select_from(sqlalchemy.table(table))
        )
        return revision


async def ensure_current(
    database: Database, url: str, service: str, *, migrate: bool, patience: float = 60.0
) -> None:
    """See to it that the database is at the newest revision before anybody uses it.

    With `migrate` it is upgraded; else somebody else's upgrade is waited for, up to `patience` seconds.
    Raises `MigrationMissing` after that, and `DatabaseNewer` when a newer Penstock has been here.
    """
    needed, known = head(service), set(_revisions(service))
    deadline = asyncio.get_running_loop().time() + patience
    while (found := await current(database, service)) != needed:
        if found is not None and found not in known:
            raise DatabaseNewer(what=service, current=found, needed=needed)
        if migrate:
            _log.info("database_upgrade", database=service, revision=found, to=needed)
            with translated():
                await asyncio.to_thread(upgrade, url, service)
            return
        if asyncio.get_running_loop().time() >= deadline:
            raise MigrationMissing(what=service, current=found or "none", needed=needed)
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def upgrade(url: str, service: str) -> None:
    """Upgrade a service's database to the newest revision. Blocks; not to be called from an event loop."""
    from alembic import command

    with _alembic:
        command.upgrade(_config(url, service), "head")


def differences(url: str, service: str) -> list[str]:
    """What the models say and a migrated database doesn't hold, or the other way round; for tests."""
    from alembic import command
    from alembic.util import AutogenerateDiffsDetected

    with _alembic:
        try:
            command.check(_config(url, service))
        except AutogenerateDiffsDetected as found:
            return [str(difference) for difference in found.diffs]
    return []


def run_env(metadata: MetaData, version_table: str) -> None:
    """The body of every env.py: run what Alembic was asked for, in one transaction."""
    url, dialect = engine.parse(_url())
    options = {"target_metadata": metadata, "version_table": version_table, "compare_type": True}
    if dialect == "sqlite":
        _run_on_sqlite(url, options)
    else:
        asyncio.run(_run_on_postgresql(url, options))


def _url() -> str:
    from alembic import context

    given = context.config.attributes.get("url")
    variable = f"PENSTOCK_{context.config.config_ini_section.upper()}_DATABASE_URL"
    url: str | None = given or os.environ.get(variable)
    if url is None:
        raise SystemExit(f"{variable} is not set")
    return url


def _run_on_sqlite(url: URL, options: Mapping[str, Any]) -> None:
    engine.make_private(Path(url.database or ""))
    sqlite = sqlalchemy.create_engine(
        url.set(drivername="sqlite"), poolclass=pool.NullPool, connect_args={"isolation_level": None}
    )
    engine.begin_with(sqlite, "BEGIN IMMEDIATE")
    # Rebuilding a table drops the old one, which would delete the rows that refer to it.
    engine.prepare_with(sqlite, (*engine.SQLITE_PRAGMAS, "PRAGMA foreign_keys = OFF"))
    with sqlite.connect() as connection:
        _migrate(connection, {**options, "transactional_ddl": True, "render_as_batch": True})


async def _run_on_postgresql(url: URL, options: Mapping[str, Any]) -> None:
    postgresql = create_async_engine(
        engine.with_explicit_password(url), poolclass=pool.NullPool, connect_args=engine.ASYNCPG_ARGUMENTS
    )
    async with postgresql.connect() as connection:
        await connection.run_sync(_migrate, options)
    await postgresql.dispose()


def _migrate(connection: Connection, options: Mapping[str, Any]) -> None:
    from alembic import context

    context.configure(connection=connection, **options)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            lock = sqlalchemy.func.hashtextextended(options["version_table"], 0)
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(lock)))
        context.run_migrations()
        if (
            connection.dialect.name == "sqlite"
            and connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        ):
            raise RuntimeError("the migration would leave rows that refer to nothing")


def _config(url: str, service: str) -> Any:
    from alembic.config import Config

    quiet = io.StringIO()
    return Config(_ROOT / "alembic.ini", ini_section=service, attributes={"url": url}, stdout=quiet)


def _revisions(service: str) -> dict[str, str | None]:
    """Each revision of a service with the one before it."""
    folder = _ROOT / "services" / service / "migrations" / "versions"
    found: dict[str, str | None] = {}
    for path in sorted(folder.glob("*.py")):
        values = _constants(ast.parse(path.read_text(encoding="utf-8")))
        if "revision" in values:
            found[values["revision"]] = values.get("down_revision")
    return found


def _constants(module: ast.Module) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                values[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value)):
                values[name] = value
    return values

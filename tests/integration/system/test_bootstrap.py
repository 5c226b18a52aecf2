import asyncio
import base64
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.system import bootstrap, keys
from services.system.audit.models import AuditEntry
from services.system.bootstrap import prepare
from services.system.clients.models import Client
from services.system.first_passwords import PasswordFileUnusable
from services.system.resources.models import Resource
from services.system.secrets.errors import MasterKeysMissing, MasterKeysUnusable, MasterKeyWrong
from services.system.sessions import families
from services.system.sessions.passwords import Passwords
from services.system.settings import SystemSettings
from services.system.tenants.models import Tenant
from services.system.users.models import User
from shared.db.session import Database

from .conftest import settings_in


async def users(database: Database) -> dict[str, User]:
    async with database.read() as session:
        return {user.username: user for user in await session.scalars(sa.select(User))}


async def count(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return {
            model.__tablename__: await session.scalar(sa.select(sa.func.count()).select_from(model))
            for model in (User, Tenant, Client, Resource, AuditEntry)
        }


async def logs_in(database: Database, username: str, password: str) -> bool:
    pool = Passwords(threads=1)
    right = await pool.matches((await users(database))[username].password_hash, password)
    pool.close()
    return right


def written(settings: SystemSettings) -> dict[str, str]:
    """User names and passwords of the file."""
    lines = settings.first_passwords.read_text().splitlines()
    return dict(line.split(": ", 1)[1].split(" / ", 1) for line in lines)


class TestFirstStart:
    async def test_makes_the_administrator_and_in_embedded_mode_a_tenant_to_work_in(
        self, settings: SystemSettings, database: Database
    ) -> None:
        first = await prepare(settings)
        assert first.users == ("platform administrator", "tenant default")
        assert first.passwords == settings.first_passwords
        found = await users(database)
        assert (found["admin"].tenant_id, found["admin"].roles) == (None, ["platform"])
        assert found["owner"].roles == ["owner"]
        async with database.read() as session:
            warehouse = await session.one_or_none(sa.select(Resource))
        assert (warehouse.name, warehouse.settings) == (
            "warehouse",
            {"type": "sqlite", "file": "warehouse.db", "create": True},
        )
        for username, password in written(settings).items():
            assert await logs_in(database, username, password)

    async def test_outside_embedded_mode_makes_no_tenant(
        self, settings: SystemSettings, database: Database
    ) -> None:
        await prepare(settings_in(settings.var, embedded=False))
        assert set(await users(database)) == {"admin"}

    async def test_every_secret_lies_in_a_private_file(self, settings: SystemSettings) -> None:
        await prepare(settings)
        files = [settings.first_passwords, *settings.secrets_folder.iterdir()]
        assert {path.name for path in files} == {
            "first-passwords.txt",
            "master-keys",
            "signing-key.pem",
            "client-meta",
            "client-etl",
        }
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert settings.secrets_folder.stat().st_mode & 0o777 == 0o700

    async def test_takes_given_passwords_and_writes_none(
        self, settings: SystemSettings, database: Database, tmp_path: Path
    ) -> None:
        given = tmp_path / "given"
        given.write_text("the given password\n")
        given.chmod(0o600)
        first = await prepare(settings_in(settings.var, admin_password_file=given, owner_password_file=given))
        assert first.passwords is None
        assert not settings.first_passwords.exists()
        assert await logs_in(database, "admin", "the given password")

    async def test_refuses_a_password_file_that_others_may_read(
        self, settings: SystemSettings, database: Database, tmp_path: Path
    ) -> None:
        given = tmp_path / "given"
        given.write_text("the given password\n")
        given.chmod(0o644)
        with pytest.raises(PasswordFileUnusable, match="PENSTOCK_ADMIN_PASSWORD_FILE"):
            await prepare(settings_in(settings.var, admin_password_file=given))
        assert await users(database) == {}


class TestLaterStarts:
    async def test_change_nothing(self, settings: SystemSettings, database: Database) -> None:
        await prepare(settings)
        before, files = await count(database), snapshot(settings.var)
        again = await prepare(settings)
        assert (again.users, again.passwords) == ((), None)
        assert await count(database) == before
        assert snapshot(settings.var) == files

    async def test_accept_a_new_client_secret(self, settings: SystemSettings, database: Database) -> None:
        await prepare(settings)
        (settings.secrets_folder / "client-etl").write_text("another secret\n")
        await prepare(settings)
        async with database.read() as session:
            client = await session.one_or_none(sa.select(Client).where(Client.name == "etl"))
        assert client.secret_fingerprint == families.fingerprint("another secret")

    async def test_two_at_once_make_everything_once(
        self, settings: SystemSettings, database: Database
    ) -> None:
        await asyncio.gather(prepare(settings), prepare(settings))
        assert (await count(database))["user_account"] == 2
        assert (await count(database))["resource"] == 1
        for username, password in written(settings).items():
            assert await logs_in(database, username, password)


class TestAStartThatWasKilled:
    @pytest.mark.parametrize("where", ["_client", "_administrator", "_first_tenant", "_add_warehouse"])
    async def test_is_finished_by_the_next_one(
        self,
        settings: SystemSettings,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        where: str,
    ) -> None:
        await die_in(where, settings, monkeypatch)
        await prepare(settings)
        assert {
            name: number for name, number in (await count(database)).items() if name != "audit_entry"
        } == {
            "user_account": 2,
            "tenant": 1,
            "client": 2,
            "resource": 1,
        }
        for username, password in written(settings).items():
            assert await logs_in(database, username, password)

    async def test_uses_the_passwords_that_were_written_before_it_died(
        self, settings: SystemSettings, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await die_in("_add_user", settings, monkeypatch)
        before = written(settings)
        await prepare(settings)
        assert written(settings)["admin"] == before["admin"]
        assert await logs_in(database, "admin", before["admin"])


class TestMasterKeys:
    async def test_other_keys_than_the_database_s_stop_the_start(self, settings: SystemSettings) -> None:
        await prepare(settings)
        other = base64.b64encode(os.urandom(32)).decode()
        (settings.secrets_folder / "master-keys").write_text(f"other:{other}\n")
        with pytest.raises(MasterKeyWrong, match="not given"):
            await prepare(settings)

    async def test_a_lost_file_of_keys_stops_the_start_and_is_not_made_anew(
        self, settings: SystemSettings
    ) -> None:
        await prepare(settings)
        path = settings.secrets_folder / "master-keys"
        path.unlink()
        with pytest.raises(MasterKeysMissing):
            await prepare(settings)
        assert not path.exists()

    async def test_another_key_under_the_same_name_stops_the_start(self, settings: SystemSettings) -> None:
        await prepare(settings)
        path = settings.secrets_folder / "master-keys"
        other = base64.b64encode(os.urandom(32)).decode()
        path.write_text(f"{path.read_text().split(':')[0]}:{other}\n")
        with pytest.raises(MasterKeyWrong, match="another one") as refused:
            await prepare(settings)
        assert other not in str(refused.value)

    async def test_a_new_active_key_beside_the_old_one_is_fine(self, settings: SystemSettings) -> None:
        await prepare(settings)
        path = settings.secrets_folder / "master-keys"
        fresh = base64.b64encode(os.urandom(32)).decode()
        path.write_text(f"fresh:{fresh}\n{path.read_text()}")
        await prepare(settings)
        path.write_text(f"fresh:{fresh}\n")
        await prepare(settings)

    async def test_keys_that_cannot_be_read_stop_the_start(self, settings: SystemSettings) -> None:
        settings.secrets_folder.mkdir(mode=0o700)
        (settings.secrets_folder / "master-keys").write_text("CANARY")
        with pytest.raises(MasterKeysUnusable) as refused:
            await prepare(settings)
        assert "CANARY" not in str(refused.value)

    async def test_a_signing_key_that_is_none_stops_the_start(self, settings: SystemSettings) -> None:
        settings.secrets_folder.mkdir(mode=0o700)
        (settings.secrets_folder / "signing-key.pem").write_text("CANARY")
        with pytest.raises(keys.SigningKeyUnusable) as refused:
            await prepare(settings)
        assert "CANARY" not in str(refused.value)


async def die_in(where: str, settings: SystemSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that ends abruptly where it would call that function."""

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, where, killed)
        with pytest.raises(KeyboardInterrupt):
            await prepare(settings)


def snapshot(folder: Path) -> dict[str, bytes]:
    secret = [path for path in folder.rglob("*") if path.is_file() and "system.db" not in path.name]
    return {path.name: path.read_bytes() for path in secret}

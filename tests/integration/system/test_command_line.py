"""`python -m services.system` as a process: it serves, stops, resets passwords, says what is wrong."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from services.system.app import PREFIX
from services.system.passwords_reset import reset_password
from services.system.settings import SystemSettings
from services.system.tenants.errors import TenantUnknown
from services.system.users.errors import UserUnknown
from tests.api.system.driver import Person, System
from tests.servers.private import free_port

from .conftest import settings_in

SECONDS = 30


def environment(var: Path, **more: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PG"))
    }
    ours = {
        "PENSTOCK_VAR": str(var),
        "PENSTOCK_SQLITE_ROOT": str(var / "sqlite"),
        "PENSTOCK_EMBEDDED": "true",
    }
    return inherited | ours | more


async def run(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.system", *arguments, env=env, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def running(var: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, System, list[str]]]:
    """The service in a process of its own, and what it has logged once it is over."""
    port, lines = free_port(), list[str]()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.system",
        env=environment(var, PENSTOCK_PORT=str(port), PGPASSWORD="CANARY-environment"),
        stderr=-1,
    )
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        while b'"opened"' not in (line := await process.stderr.readline()):
            assert line, lines
            lines.append(line.decode())
    async with aiohttp.ClientSession() as http:
        yield process, System(settings_in(var), f"http://127.0.0.1:{port}{PREFIX}", http), lines
    if process.returncode is None:
        process.kill()
    lines.extend((await asyncio.wait_for(process.stderr.read(), SECONDS)).decode().splitlines())
    await process.wait()


async def test_it_starts_from_nothing_serves_and_stops_at_once(tmp_path: Path) -> None:
    var = tmp_path / "var"
    async with running(var) as (process, system, lines):
        owner = await system.owner()
        assert (await owner.get("/resources")).status == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
    assert str(var / "first-passwords.txt") in "".join(lines)
    for line in lines:
        json.loads(line)
    assert system.first_password("owner") not in "".join(lines)
    assert "CANARY" not in "".join(lines)


async def test_killed_at_any_moment_it_starts_again(tmp_path: Path) -> None:
    var = tmp_path / "var"
    for milliseconds in (500, 800, 1100):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.system", env=environment(var, PENSTOCK_PORT="0"), stderr=-3
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), milliseconds / 1000)
        process.kill()
        await process.wait()
    async with running(var) as (_, system, _lines):
        await system.administrator()
        owner = await system.owner()
        assert len((await owner.get("/resources")).json["items"]) == 1


async def test_a_reset_password_replaces_the_old_one_and_ends_the_sessions(tmp_path: Path) -> None:
    var = tmp_path / "var"
    async with running(var) as (_, system, _lines):
        before, first = await system.owner(), system.first_password("owner")
        code, out, _ = await run("reset-password", "owner", "--tenant", "default", env=environment(var))
        assert code == 0
        password = out.strip().rsplit(" ", 1)[1]
        await system.log_in("owner", password, "default")
        old = await system.ask_token(grant_type="password", username="owner", password=first)
        assert "owner" not in (var / "first-passwords.txt").read_text()
        assert old.status == 400
        async with asyncio.timeout(10):  # this process learns of it within two seconds
            await until_refused(before)


async def until_refused(person: Person) -> None:
    while (await person.get("/me")).status != 401:  # noqa: ASYNC110 - no event of ours tells of it
        await asyncio.sleep(0.1)


async def test_an_unknown_user_is_said_in_one_line(settings: SystemSettings) -> None:
    code, out, err = await run("reset-password", "nobody", env=environment(settings.var))
    assert (code, out, err) == (1, "", "There is no such tenant.\n")


async def test_wrong_settings_are_said_without_their_values(tmp_path: Path) -> None:
    wrong = environment(tmp_path, PENSTOCK_PORT="CANARY", PENSTOCK_MIGRATE="CANARY")
    code, _, err = await run(env=wrong)
    assert code == 1
    assert "PENSTOCK_PORT" in err
    assert "PENSTOCK_MIGRATE" in err
    assert "CANARY" not in err


async def test_missing_master_keys_are_said_in_one_line(tmp_path: Path) -> None:
    var = tmp_path / "var"
    async with running(var):
        pass
    (var / "secrets" / "master-keys").unlink()
    code, _, err = await run(env=environment(var, PENSTOCK_PORT="0"))
    assert code == 1
    last = json.loads(err.splitlines()[-1])
    assert last["code"] == "master_keys_missing"
    assert "Traceback" not in err
    assert not (var / "secrets" / "master-keys").exists()


async def test_the_reset_names_what_it_cannot_find(settings: SystemSettings) -> None:
    with pytest.raises(TenantUnknown):
        await reset_password(settings, "owner", tenant="nowhere")
    async with running(settings.var):
        pass
    with pytest.raises(UserUnknown, match="no user nobody in the tenant default"):
        await reset_password(settings, "nobody", tenant="default")

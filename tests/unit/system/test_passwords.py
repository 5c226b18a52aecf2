import asyncio
import threading

import pytest

from services.system.sessions import passwords
from services.system.sessions.passwords import Passwords, hash_now
from shared.errors import Unavailable


async def test_the_right_password_matches_and_a_wrong_one_does_not() -> None:
    pool = Passwords()
    stored = await pool.hash("correct horse")
    assert await pool.matches(stored, "correct horse")
    assert not await pool.matches(stored, "wrong horse")
    pool.close()


async def test_without_a_hash_no_password_matches_not_even_a_known_one() -> None:
    pool = Passwords()
    assert not await pool.matches(None, "")
    assert not await pool.matches("not a hash", "")
    pool.close()


def test_hashes_are_argon2id_at_the_cost_that_is_promised() -> None:
    assert hash_now("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_unknown_user_costs_as_much_hashing_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def verify(stored: str, _: str) -> bool:
        checked.append(stored)
        return True

    monkeypatch.setattr(passwords, "_verify", verify)
    pool = Passwords()
    assert not await pool.matches(None, "guess")
    assert checked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    pool.close()


async def test_a_longer_line_than_allowed_is_refused_and_the_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(passwords, "_verify", lambda *_: gate.wait(10))
    pool = Passwords(threads=1, waiting=1)
    waiting = [asyncio.create_task(pool.matches("hash", "x")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await pool.matches("hash", "x")
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    pool.close()

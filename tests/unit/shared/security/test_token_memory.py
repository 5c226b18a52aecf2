"""Verified tokens are remembered, and no longer valid for it."""

import pytest

from shared.identifiers import uuid7
from tests.unit.shared.security.conftest import Office, refused


async def test_a_remembered_token_expires_at_its_second(office: Office) -> None:
    token = office.token()
    await office.verifier.verify(token)
    office.time.passes(minutes=9, seconds=59)
    await office.verifier.verify(token)
    office.time.passes(seconds=1)
    assert await refused(office, token)


async def test_an_expired_token_is_refused_at_first_sight_too(office: Office) -> None:
    token = office.token()
    office.time.passes(minutes=10)
    assert await refused(office, token)


async def test_a_remembered_token_ends_with_its_session_and_only_its_own(office: Office) -> None:
    one, other = office.token(session_id="s-1"), office.token(session_id="s-2")
    await office.verifier.verify(one)
    await office.verifier.verify(other)
    office.revocations.add(["s-1"])
    assert await refused(office, one)
    assert await refused(office, office.token(session_id="s-1"))
    assert not await refused(office, other)


async def test_a_remembered_token_ends_with_its_key(office: Office) -> None:
    token = office.token()
    await office.verifier.verify(token)
    del office.keys._keys[office.key.kid]
    assert await refused(office, token)


async def test_a_remembered_token_costs_no_signature_check(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = office.token()
    first = await office.verifier.verify(token)

    async def fail(_: str) -> None:
        raise AssertionError("the key was looked up again")

    monkeypatch.setattr(office.keys, "find", fail)
    assert await office.verifier.verify(token) is first


async def test_the_memory_is_bounded_and_forgets_what_was_unused_longest() -> None:
    office = Office(remembered=3)
    tokens = [office.token(subject=uuid7()) for _ in range(3)]
    for token in (*tokens, tokens[0], office.token()):
        await office.verifier.verify(token)
    assert len(office.verifier._verified) == 3
    remembered = {verified.principal.subject for verified in office.verifier._verified.values()}
    again = await office.verifier.verify(tokens[0])
    assert again.subject in remembered


async def test_refused_tokens_are_not_remembered(office: Office) -> None:
    for _ in range(10):
        assert await refused(office, Office().token())
    assert office.verifier._verified == {}

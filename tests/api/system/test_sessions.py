import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.system.models import Base
from services.system.sessions.families import GRACE
from shared.db.session import Database

from .driver import Answer, Person, System, Tenant


async def refresh(system: System, token: str) -> Answer:
    return await system.ask_token(grant_type="refresh_token", refresh_token=token)


async def age_the_used_tokens(system: System, by: timedelta) -> None:
    """As if the tokens that are used had been used so much earlier."""
    table = Base.metadata.tables["refresh_token"]
    database = Database(system.settings.database_url)
    async with database.write() as session:
        statement = sa.update(table).where(table.c.used_at.is_not(None))
        await session.execute(statement.values(used_at=datetime.now(UTC) - by))
    await database.close()


class TestRefresh:
    async def test_each_refresh_gives_the_next_token_and_a_new_access_token(self, system: System) -> None:
        owner = await system.owner()
        first = await refresh(system, owner.refresh_token)
        second = await refresh(system, first.json["refresh_token"])
        assert {first.status, second.status} == {200}
        assert len({owner.refresh_token, first.json["refresh_token"], second.json["refresh_token"]}) == 3
        answer = await system.call("GET", "/me", token=second.json["access_token"])
        assert answer.json["username"] == "owner"

    async def test_an_answer_that_was_lost_is_given_again(self, system: System) -> None:
        owner = await system.owner()
        first = await refresh(system, owner.refresh_token)
        again = await refresh(system, owner.refresh_token)
        assert again.status == 200
        assert again.json["refresh_token"] == first.json["refresh_token"]

    async def test_twenty_refreshes_at_once_give_one_successor(self, system: System) -> None:
        owner = await system.owner()
        answers = await asyncio.gather(*(refresh(system, owner.refresh_token) for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["refresh_token"] for answer in answers}) == 1

    async def test_a_token_shown_again_after_the_grace_ends_its_family_and_no_other(
        self, system: System
    ) -> None:
        thief, other = await system.owner(), await system.owner()
        successor = await refresh(system, thief.refresh_token)
        await age_the_used_tokens(system, GRACE + timedelta(seconds=1))
        replayed = await refresh(system, thief.refresh_token)
        assert (replayed.status, replayed.code) == (400, "invalid_grant")
        assert (await refresh(system, successor.json["refresh_token"])).status == 400
        for token in (thief.token, successor.json["access_token"]):
            assert (await system.call("GET", "/me", token=token)).status == 401
        assert (await other.get("/me")).status == 200
        assert (await refresh(system, other.refresh_token)).status == 200

    async def test_grace_is_for_the_immediate_predecessor_only(self, system: System) -> None:
        owner = await system.owner()
        first = await refresh(system, owner.refresh_token)
        second = await refresh(system, first.json["refresh_token"])
        assert (await refresh(system, owner.refresh_token)).status == 400
        assert (await refresh(system, second.json["refresh_token"])).status == 400

    async def test_a_reuse_is_written_down(self, system: System, one: Tenant) -> None:
        await refresh(system, one.owner.refresh_token)
        await age_the_used_tokens(system, GRACE + timedelta(seconds=1))
        await refresh(system, one.owner.refresh_token)
        again = await system.log_in("boss", one.owner.password, "one")
        entries = (await again.get("/audit?action=session.token_reused")).json["items"]
        assert len(entries) == 1


class TestRevoke:
    @pytest.mark.parametrize("which", ["token", "refresh_token"])
    async def test_either_token_ends_the_whole_session_at_once(self, system: System, which: str) -> None:
        owner = await system.owner()
        answer = await system.call("POST", "/oauth/revoke", data={"token": getattr(owner, which)})
        assert answer.status == 200
        assert (await owner.get("/me")).status == 401
        assert (await refresh(system, owner.refresh_token)).status == 400

    async def test_an_unknown_token_gets_the_same_answer(self, system: System) -> None:
        answer = await system.call("POST", "/oauth/revoke", {"token": "nothing"})
        assert answer.status == 200
        assert answer.text == ""

    async def test_services_learn_of_ended_sessions(self, system: System) -> None:
        owner, service = await system.owner(), await system.service("meta")
        await system.call("POST", "/oauth/revoke", {"token": owner.token})
        listed = await service.get("/internal/revocations")
        assert len(listed.json["session_ids"]) == 1

    async def test_people_do_not(self, system: System) -> None:
        owner = await system.owner()
        assert (await owner.get("/internal/revocations")).status == 403


class TestRightsThatEnd:
    async def test_a_disabled_user_is_out_at_once(self, system: System, one: Tenant) -> None:
        ann = await system.new_user("ann", ["editor"], one.slug, one.id)
        assert (await one.owner.patch(f"/users/{ann.id}", {"enabled": False})).status == 200
        assert (await ann.get("/me")).status == 401
        assert (await refresh(system, ann.refresh_token)).status == 400
        assert (await login(system, ann, "one")).status == 400

    async def test_new_roles_ask_for_a_new_login(self, system: System, one: Tenant) -> None:
        ann = await system.new_user("ann", ["editor"], one.slug, one.id)
        assert (await one.owner.patch(f"/users/{ann.id}", {"roles": ["viewer"]})).status == 200
        assert (await ann.get("/me")).status == 401
        again = await system.log_in("ann", ann.password, "one")
        assert (await again.get("/me")).json["roles"] == ["viewer"]

    async def test_a_new_name_does_not(self, system: System, one: Tenant) -> None:
        ann = await system.new_user("ann", ["editor"], one.slug, one.id)
        assert (await one.owner.patch(f"/users/{ann.id}", {"display_name": "Ann"})).status == 200
        assert (await ann.get("/me")).json["display_name"] == "Ann"

    async def test_a_changed_password_ends_the_other_sessions(self, system: System, one: Tenant) -> None:
        ann = await system.new_user("ann", ["editor"], one.slug, one.id)
        elsewhere = await system.log_in("ann", ann.password, "one")
        changed = await ann.post(
            "/me/password", {"current_password": ann.password, "new_password": "another good one"}
        )
        assert changed.status == 204
        assert (await elsewhere.get("/me")).status == 401
        assert (await ann.get("/me")).status == 200
        assert (await login(system, ann, "one")).status == 400
        await system.log_in("ann", "another good one", "one")

    async def test_guessing_the_current_password_is_throttled(self, system: System, one: Tenant) -> None:
        guess = {"current_password": "wrong", "new_password": "another good one"}
        answers = [await one.owner.post("/me/password", guess) for _ in range(7)]
        assert [answer.status for answer in answers] == [403] * 6 + [429]
        assert answers[0].code == "password_wrong"
        assert answers[0].places == ["body.current_password"]


async def login(system: System, person: Person, tenant: str) -> Answer:
    me = {"username": "ann", "password": person.password, "tenant": tenant}
    return await system.ask_token(grant_type="password", **me)

"""Who may call."""

from uuid import UUID

import pytest

from shared.identifiers import uuid7
from tests.unit.shared.http.conftest import House, problem_of, raw_request


class TestAuthentication:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/tasks?nonsense=1"),
            ("GET", "/tasks/not-a-uuid"),
            ("GET", f"/tasks/{UUID(int=0)}"),
            ("POST", "/tasks"),
            ("PUT", "/tasks/0190b5a0-0000-7000-8000-000000000007"),
            ("GET", "/crash"),
        ],
    )
    async def test_401_comes_before_everything_else(self, house: House, method: str, path: str) -> None:
        answer = await house.call(method, path, signed=False, data=b"[" if method != "GET" else None)
        problem_of(answer, 401, "token_missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("value", ["Bearer x", "Bearer", "Bearer ", "Basic eDp5", "bearer a.b.c", "é"])
    async def test_what_is_no_token_is_401(self, house: House, value: str) -> None:
        answer = await house.call("GET", "/tasks", signed=False, headers={"Authorization": value})
        problem_of(answer, 401, "token_invalid")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    async def test_two_authorization_headers_are_401(self, house: House) -> None:
        token = house.token()
        answer = await raw_request(
            house,
            f"GET /api/sample/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 401")

    async def test_a_token_in_the_query_is_not_looked_at(self, house: House) -> None:
        answer = await house.call("GET", f"/tasks?access_token={house.token()}", signed=False)
        problem_of(answer, 401, "token_missing")

    async def test_a_scope_that_is_missing_is_403_and_named(self, house: House) -> None:
        answer = await house.call("DELETE", f"/tasks/{uuid7()}", headers=house.headers("task:write"))
        assert "run:write" in problem_of(answer, 403, "scope_missing")["detail"]
        assert 'scope="run:write"' in answer.headers["WWW-Authenticate"]

    async def test_a_caller_without_a_tenant_gets_403_from_what_needs_one(self, house: House) -> None:
        answer = await house.call("GET", "/tasks", headers=house.headers("task:read", tenant=None))
        problem_of(answer, 403, "tenant_missing")

    async def test_identity_headers_have_no_effect(self, house: House) -> None:
        other = str(uuid7())
        headers = {"X-User": "admin", "X-Tenant": other, "X-Roles": "owner"}
        answer = await house.call("GET", "/tasks", headers=headers)
        assert answer.json["items"][0]["owner"] == str(house.tenant)

    async def test_a_revoked_session_is_401_at_its_next_request(self, house: House) -> None:
        headers = house.headers()
        assert (await house.call("GET", "/me", headers=headers)).status == 200
        house.revocations.add(["session-1"])
        problem_of(await house.call("GET", "/me", headers=headers), 401, "token_invalid")

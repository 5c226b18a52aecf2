import asyncio
import base64

import jwt
import pytest

from services.system.sessions import passwords

from .driver import Answer, System, Tenant


def claims_of(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


class TestPassword:
    async def test_the_right_password_gives_tokens_as_a_form_and_as_json(self, system: System) -> None:
        fields = {
            "grant_type": "password",
            "username": "owner",
            "password": system.first_password("owner"),
            "tenant": "default",
        }
        for answer in (
            await system.call("POST", "/oauth/token", data=fields),
            await system.call("POST", "/oauth/token", fields),
        ):
            assert answer.status == 200
            assert answer.json["token_type"] == "Bearer"
            assert 0 < answer.json["expires_in"] <= 600
            assert answer.headers["Cache-Control"] == "no-store"

    async def test_without_a_tenant_the_administrator_or_somebody_of_the_default_tenant_logs_in(
        self, system: System
    ) -> None:
        administrator = await system.log_in("admin", system.first_password("admin"))
        assert (await administrator.get("/me")).json["tenant_id"] is None
        owner = await system.log_in("owner", system.first_password("owner"))
        assert (await owner.get("/me")).json["tenant_slug"] == "default"

    async def test_capital_letters_in_the_user_name_do_not_matter(self, system: System) -> None:
        await system.log_in("OWNER", system.first_password("owner"), "default")

    async def test_wrong_password_unknown_user_unknown_tenant_and_disabled_user_look_the_same(
        self, system: System, one: Tenant
    ) -> None:
        gone = await system.new_user("gone", ["viewer"], one.slug, one.id)
        assert (await one.owner.patch(f"/users/{gone.id}", {"enabled": False})).status == 200
        answers = [
            await refused(system, "boss", "wrong", "one"),
            await refused(system, "nobody", "wrong", "one"),
            await refused(system, "boss", "wrong", "nowhere"),
            await refused(system, "gone", gone.password, "one"),
            await refused(system, "gone", "wrong", "one"),
        ]
        bodies = {answer.text.replace(answer.json["request_id"], "") for answer in answers}
        assert len(bodies) == 1
        assert {answer.status for answer in answers} == {400}
        assert answers[0].json["error"] == answers[0].code == "invalid_grant"

    async def test_an_unknown_user_costs_the_same_hashing_as_a_wrong_password(
        self, system: System, one: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = await system.new_user("gone", ["viewer"], one.slug, one.id)
        await one.owner.patch(f"/users/{gone.id}", {"enabled": False})
        verify, costs = passwords._verify, list[str]()

        def counted(stored: str, password: str) -> bool:
            costs.append(stored.rsplit("$", 2)[0])
            return verify(stored, password)

        monkeypatch.setattr(passwords, "_verify", counted)
        for username, tenant in (("boss", "one"), ("gone", "one"), ("nobody", "one"), ("boss", "nowhere")):
            await refused(system, username, "wrong", tenant)
        assert costs == ["$argon2id$v=19$m=19456,t=2,p=1"] * 4

    async def test_repeated_failures_wait_longer_and_the_right_password_waits_too(
        self, system: System
    ) -> None:
        answers = [await refused(system, "owner", f"wrong {number}", "default") for number in range(7)]
        assert [answer.status for answer in answers[:6]] == [400] * 6
        assert answers[-1].status == 429
        assert answers[-1].code == "throttled"
        assert int(answers[-1].headers["Retry-After"]) >= 1
        right = await refused(system, "owner", system.first_password("owner"), "default")
        assert right.status == 429

    async def test_unknown_accounts_are_throttled_alike(self, system: System) -> None:
        answers = [await refused(system, "nobody", f"wrong {number}", "default") for number in range(7)]
        assert answers[-1].status == 429

    async def test_the_throttle_of_one_account_does_not_hold_up_another(self, system: System) -> None:
        for number in range(7):
            await refused(system, "owner", f"wrong {number}", "default")
        await system.administrator()

    async def test_twenty_right_logins_at_once_all_succeed(self, system: System) -> None:
        people = await asyncio.gather(*(system.owner() for _ in range(20)))
        assert len({claims_of(person.token)["sid"] for person in people}) == 20


class TestClientCredentials:
    @pytest.mark.parametrize("name", ["meta", "etl"])
    async def test_a_service_gets_a_token_with_the_scopes_of_services(
        self, system: System, name: str
    ) -> None:
        service = await system.service(name)
        claims = claims_of(service.token)
        assert claims["scope"] == "resource:connect session:check"
        assert claims["tenant"] is None
        assert (await service.get("/me")).json["kind"] == "service"

    async def test_by_basic_as_well_as_in_the_body(self, system: System) -> None:
        secret = (system.settings.secrets_folder / "client-etl").read_text().strip()
        basic = base64.b64encode(f"etl:{secret}".encode()).decode()
        answer = await system.call(
            "POST",
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": "session:check"},
            headers={"Authorization": f"Basic {basic}"},
        )
        assert answer.status == 200
        assert answer.json["scope"] == "session:check"
        assert answer.json["refresh_token"] is None

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"client_id": "etl"},
            {"client_id": "etl", "client_secret": "wrong"},
            {"client_id": "nobody", "client_secret": "wrong"},
        ],
    )
    async def test_a_wrong_client_is_unauthenticated(self, system: System, fields: dict[str, str]) -> None:
        answer = await system.ask_token(grant_type="client_credentials", **fields)
        assert answer.status == 401
        assert answer.json["error"] == "invalid_client"
        assert answer.headers["WWW-Authenticate"].startswith("Basic")

    @pytest.mark.parametrize("header", ["Basic !!!", "Basic " + "e" * 9, "Bearer x", "Basic", "Basic ZXRs"])
    async def test_a_header_that_cannot_be_read_is_no_client(self, system: System, header: str) -> None:
        answer = await system.call(
            "POST",
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": header},
        )
        assert (answer.status, answer.code) == (401, "invalid_client")

    async def test_no_scope_beyond_the_client_s_own(self, system: System) -> None:
        secret = (system.settings.secrets_folder / "client-etl").read_text().strip()
        answer = await system.ask_token(
            grant_type="client_credentials", client_id="etl", client_secret=secret, scope="tenant:write"
        )
        assert (answer.status, answer.code) == (400, "invalid_scope")


class TestBadRequests:
    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
            ({"grant_type": "password"}, 400, "invalid_request"),
            ({"grant_type": "password", "username": "x"}, 400, "invalid_request"),
            ({"grant_type": "refresh_token"}, 400, "invalid_request"),
            ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
            (
                {"grant_type": "password", "username": "x", "password": "y", "scope": "z"},
                400,
                "invalid_scope",
            ),
            (
                {"grant_type": "password", "username": "x", "password": "y", "client_id": "z"},
                401,
                "invalid_client",
            ),
            ({"username": "x"}, 422, "request_invalid"),
            ({"grant_type": "password", "is_admin": "true"}, 422, "request_invalid"),
            ({"grant_type": "password", "username": "x" * 201, "password": "y"}, 422, "request_invalid"),
            ({"grant_type": "password", "username": "a\0b", "password": "y"}, 422, "request_invalid"),
        ],
    )
    async def test_what_is_wrong_is_said(
        self, system: System, fields: dict[str, str], status: int, code: str
    ) -> None:
        for answer in (await system.ask_token(**fields), await system.call("POST", "/oauth/token", fields)):
            assert (answer.status, answer.code) == (status, code)

    async def test_a_token_in_the_query_is_refused(self, system: System) -> None:
        owner = await system.owner()
        answer = await system.call("GET", f"/me?access_token={owner.token}")
        assert answer.status == 401


class TestAccessTokens:
    async def test_the_published_key_verifies_them(self, system: System) -> None:
        owner = await system.owner()
        keys = (await system.call("GET", "/.well-known/jwks.json")).json["keys"]
        assert [set(key) for key in keys] == [{"kty", "crv", "x", "kid", "use", "alg"}]
        key = jwt.PyJWK(keys[0])
        claims = jwt.decode(owner.token, key, algorithms=["EdDSA"], audience="penstock", issuer="penstock")
        assert claims["exp"] - claims["iat"] <= 600
        assert jwt.get_unverified_header(owner.token)["typ"] == "at+jwt"

    async def test_a_forged_one_is_refused(self, system: System) -> None:
        owner = await system.owner()
        head, payload, signature = owner.token.split(".")
        forged = [
            f"{head}.{payload}.",
            f"{head}.{payload}.{signature[::-1]}",
            f"{head}.{payload}.{signature}=",
            jwt.encode(claims_of(owner.token), "", algorithm="none"),
            "x",
        ]
        for token in forged:
            assert (await system.call("GET", "/me", token=token)).status == 401

    async def test_a_refresh_token_is_no_access_token(self, system: System) -> None:
        owner = await system.owner()
        assert (await system.call("GET", "/me", token=owner.refresh_token)).status == 401


async def refused(system: System, username: str, password: str, tenant: str) -> Answer:
    return await system.ask_token(grant_type="password", username=username, password=password, tenant=tenant)

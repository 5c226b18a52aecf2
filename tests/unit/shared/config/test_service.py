"""Settings of the services: what can't be used is refused in one sentence, and our own servers are known."""

from pathlib import Path

import pytest

from services.etl.settings import EtlSettings
from services.meta.settings import MetaSettings
from services.migrate import MigrateSettings
from services.system.settings import SystemSettings
from shared.config.base import Settings, SettingsInvalid, load
from shared.config.service import ServiceSettings
from shared.observe.redaction import clean_text

KINDS: dict[str, type[ServiceSettings]] = {"system": SystemSettings, "meta": MetaSettings, "etl": EtlSettings}
CLIENTS: dict[str, type[MetaSettings | EtlSettings]] = {"meta": MetaSettings, "etl": EtlSettings}
OWN = {
    "penstock@database.internal/own": "database.internal:5432",
    "penstock:s@database.internal:6432/own": "database.internal:6432",
    "penstock:s@[2001:db8::1]/own": "[2001:db8::1]:5432",
    "penstock:12#3@database.internal/own": "database.internal:5432",
    "penstock:a/b?c@database.internal/own": "database.internal:5432",
    "penstock:s@elsewhere/own?host=database.internal:6432": "database.internal:6432",
    "penstock:s@/own?host=database.internal:1&host=b.internal:2": "database.internal:1",
}
UNUSABLE = {
    "META_DATABASE_URL": (
        "mysql://u:CANARY@host/name",
        "CANARY",
        "postgresql+asyncpg://u:CANARY@host:port/name",
        "postgresql+asyncpg://u:CANARY@host:99999/name",
        "postgresql+asyncpg://u:CANARY@/name?host=a:1&host=b",
    ),
    "OUTBOUND_ALLOWED_NETWORKS": ("10.1.2.3/16", "CANARY"),
    "TRUSTED_PROXIES": ("10.1.2.3/16", "CANARY"),
    "OUTBOUND_DENIED_ADDRESSES": ("CANARY:b:c",),
    "SYSTEM_URL": ("CANARY", "ftp://CANARY", "http://", "http://CANARY:port"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("address", OWN)
def test_no_service_may_be_aimed_at_its_own_database(name: str, address: str) -> None:
    given = {f"{name}_database_url": f"postgresql+asyncpg://{address}"}
    settings: ServiceSettings = KINDS[name].model_validate(given)
    assert OWN[address] in settings.policy.denied_addresses


def test_a_database_behind_a_socket_has_no_address() -> None:
    url = "postgresql+asyncpg://penstock@/own?host=/run/postgresql"
    assert MetaSettings(meta_database_url=url).policy.denied_addresses == ()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in UNUSABLE for value in UNUSABLE[name]])
def test_what_cannot_be_used_is_one_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PENSTOCK_{name}", value)
    with pytest.raises(SettingsInvalid) as raised:
        load(MetaSettings)
    assert f"PENSTOCK_{name}" in str(raised.value)
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("kind", [*KINDS.values(), MigrateSettings])
def test_printed_settings_hold_no_password_of_a_database(kind: type[Settings]) -> None:
    urls = {f"{name}_database_url": "postgresql+asyncpg://u:CANARY@host/name" for name in KINDS}
    assert "CANARY" not in repr(load(kind, **urls))


@pytest.mark.parametrize("name", CLIENTS)
def test_the_secret_of_a_client_comes_from_its_setting_else_from_the_file_and_never_into_a_log(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "secrets" / f"client-{name}"
    file.parent.mkdir()
    file.write_text(f"from-the-file-{name}\n")
    for given in ("", f"from-the-setting-{name}"):
        settings = CLIENTS[name].model_validate({"var": tmp_path, f"{name}_client_secret": given})
        secret = settings.client_secret().get_secret_value()
        assert secret == (given or f"from-the-file-{name}")
        assert secret not in clean_text(f"it is {secret}")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_without_a_secret_says_which_setting_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=f"PENSTOCK_{name.upper()}_CLIENT_SECRET_FILE"):
        CLIENTS[name](var=tmp_path).client_secret()

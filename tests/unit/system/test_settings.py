from pathlib import Path

import pytest

from services.system.settings import SystemSettings
from shared.config.base import SettingsInvalid, load


def test_what_is_not_given_lies_below_var() -> None:
    settings = SystemSettings(var=Path("/somewhere"))
    assert settings.database_url == "sqlite+aiosqlite:////somewhere/system.db"
    assert settings.secrets_folder == Path("/somewhere/secrets")
    assert settings.first_passwords == Path("/somewhere/first-passwords.txt")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OUTBOUND_ALLOWED_NETWORKS", "10.0.0.0/8, 192.168.7.0/24,")
    assert SystemSettings().policy.allowed_networks == ("10.0.0.0/8", "192.168.7.0/24")


def test_connections_of_tenants_never_lead_to_our_own_database() -> None:
    own = "postgresql+asyncpg://penstock:CANARY@db.example/system"
    policy = SystemSettings(system_database_url=own, outbound_denied_addresses=("broker:5672",)).policy
    assert policy.denied_addresses == ("broker:5672", "db.example:5432")
    assert SystemSettings().policy.denied_addresses == ()


def test_connections_of_tenants_never_lead_to_our_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, endpoint in (
        ("amqp://penstock:CANARY@broker.example/penstock", "broker.example:5672"),
        ("amqps://penstock:CANARY@broker.example", "broker.example:5671"),
        ("amqp://penstock:CANARY@[::1]:5673/", "[::1]:5673"),
    ):
        monkeypatch.setenv("PENSTOCK_BUS_URL", url)
        assert SystemSettings().policy.denied_addresses == (endpoint,)
        assert "CANARY" not in repr(SystemSettings())


def test_an_empty_address_of_the_broker_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_BUS_URL", "")
    assert SystemSettings().bus_address is None


def test_an_address_that_is_no_brokers_is_refused_unrepeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("http://CANARY@broker", "amqp:///CANARY", "CANARY"):
        monkeypatch.setenv("PENSTOCK_BUS_URL", wrong)
        with pytest.raises(SettingsInvalid) as raised:
            load(SystemSettings)
        assert "PENSTOCK_BUS_URL" in str(raised.value)
        assert "CANARY" not in str(raised.value)


def test_secrets_are_not_shown_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_MASTER_KEYS", "one:CANARY")
    assert "CANARY" not in repr(SystemSettings())

from pathlib import Path

import pytest

from services.system.settings import SystemSettings


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


def test_secrets_are_not_shown_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_MASTER_KEYS", "one:CANARY")
    assert "CANARY" not in repr(SystemSettings())

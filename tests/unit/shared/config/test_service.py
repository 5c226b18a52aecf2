import pytest

from services.etl.settings import EtlSettings
from services.meta.settings import MetaSettings
from services.system.settings import SystemSettings
from shared.config.service import ServiceSettings

KINDS: dict[str, type[ServiceSettings]] = {"system": SystemSettings, "meta": MetaSettings, "etl": EtlSettings}


@pytest.mark.parametrize("name", KINDS)
def test_no_service_may_be_aimed_at_its_own_database(name: str) -> None:
    given = {f"{name}_database_url": "postgresql+asyncpg://penstock@database.internal/own"}
    settings: ServiceSettings = KINDS[name].model_validate(given)
    assert "database.internal:5432" in settings.policy.denied_addresses

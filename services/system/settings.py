from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.config.base import DataFolder, Settings
from shared.security import tokens
from shared.security.guard import OutboundPolicy

_POSTGRESQL_PORT: Final = 5432


def _split(value: Any) -> Any:
    """A list in an environment variable is written with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class SystemSettings(Settings):
    """The settings of System. Paths that are not given lie below `var`."""

    var: DataFolder = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    system_database_url: str = ""
    migrate: bool = Field(default=True, description="Upgrade the database at the start.")
    embedded: bool = Field(default=False, description="Make a first tenant with an owner and a warehouse.")
    issuer: str = tokens.ISSUER
    trusted_proxies: Names = ()
    sqlite_root: Path | None = None
    outbound_allow_loopback: bool = False
    outbound_deny_private: bool = False
    outbound_allowed_networks: Names = ()
    outbound_denied_addresses: Names = ()
    login_tenant: str = Field(default="default", description="The tenant of logins that name none.")
    master_keys: SecretStr | None = None
    signing_key: SecretStr | None = None
    admin_password_file: Path | None = None
    owner_password_file: Path | None = None

    @property
    def database_url(self) -> str:
        return self.system_database_url or f"sqlite+aiosqlite:///{self.var.absolute() / 'system.db'}"

    @property
    def secrets_folder(self) -> Path:
        return self.var / "secrets"

    @property
    def master_keys_file(self) -> Path:
        return self.secrets_folder / "master-keys"

    @property
    def first_passwords(self) -> Path:
        return self.var / "first-passwords.txt"

    @property
    def policy(self) -> OutboundPolicy:
        """Where connections of tenants may lead: never to our own database."""
        return OutboundPolicy(
            allow_loopback=self.outbound_allow_loopback,
            deny_private=self.outbound_deny_private,
            allowed_networks=self.outbound_allowed_networks,
            denied_addresses=(*self.outbound_denied_addresses, *self._own_database),
        )

    @property
    def _own_database(self) -> tuple[str, ...]:
        address = urlsplit(self.database_url)
        return (f"{address.hostname}:{address.port or _POSTGRESQL_PORT}",) if address.hostname else ()

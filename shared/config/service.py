"""What the settings of every service have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.config.base import DataFolder, Settings
from shared.security import tokens
from shared.security.guard import OutboundPolicy

_POSTGRESQL_PORT: Final = 5432
_SYSTEM_PREFIX: Final = "/api/system/v1"


def _split(value: Any) -> Any:
    """A list in an environment variable is written with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class ServiceSettings(Settings):
    """The settings that every service has. Paths that are not given lie below `var`."""

    var: DataFolder = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    migrate: bool = Field(default=True, description="Upgrade the database at the start.")
    issuer: str = tokens.ISSUER
    trusted_proxies: Names = ()
    sqlite_root: Path | None = None
    outbound_allow_loopback: bool = False
    outbound_deny_private: bool = False
    outbound_allowed_networks: Names = ()
    outbound_denied_addresses: Names = ()

    @property
    @abstractmethod
    def database_url(self) -> str:
        """Where the service's own data is."""

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

    def _sqlite_url(self, file: str) -> str:
        return f"sqlite+aiosqlite:///{self.var.absolute() / file}"


class ClientOfSystem(ServiceSettings):
    """The settings of a service that asks System."""

    system_url: str = Field(default="http://127.0.0.1:8080", description="Where System answers.")

    @property
    def system_api(self) -> str:
        """System's prefix on its host."""
        base = self.system_url.rstrip("/")
        return base if base.endswith(_SYSTEM_PREFIX) else base + _SYSTEM_PREFIX

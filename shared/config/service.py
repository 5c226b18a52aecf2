"""What the settings of every service have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from shared.bus.opening import endpoint_of
from shared.config.base import DataFolder, LogLevel, Settings
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


def _broker(value: SecretStr | None) -> SecretStr | None:
    """An empty variable is one that isn't set."""
    if value is None or not value.get_secret_value():
        return None
    try:
        endpoint_of(value.get_secret_value())
    except ValueError as error:
        raise PydanticCustomError("broker_url", "{reason}", {"reason": str(error)}) from None
    return value


BrokerUrl = Annotated[SecretStr | None, AfterValidator(_broker)]


class ServiceSettings(Settings):
    """The settings that every service has. Paths that are not given lie below `var`."""

    var: DataFolder = Field(default=Path("var"), description="The folder of all data that is in files.")
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one.")
    log_level: LogLevel = Field(default="INFO", description="How much is logged: DEBUG to ERROR.")
    migrate: bool = Field(
        default=True, description="Upgrade the database at the start; else wait until somebody has."
    )
    bus_url: BrokerUrl = Field(
        default=None, description="The broker, such as amqp://user:password@host/vhost; else in the process."
    )
    issuer: str = Field(default=tokens.ISSUER, description="What tokens name as their issuer.")
    trusted_proxies: Names = Field(
        default=(), description="Networks whose X-Forwarded-For is believed, such as the gateway's."
    )
    sqlite_root: Path | None = Field(
        default=None, description="The folder of the tenants' SQLite files; without one there are none."
    )
    outbound_allow_loopback: bool = Field(
        default=False, description="Whether resources may be on this machine itself."
    )
    outbound_deny_private: bool = Field(
        default=False, description="Whether resources in private networks are refused."
    )
    outbound_allowed_networks: Names = Field(
        default=(), description="Private networks that resources may be in all the same, such as 10.1.0.0/16."
    )
    outbound_denied_addresses: Names = Field(
        default=(), description="`host` or `host:port` that no resource may be at, besides our own servers."
    )

    @property
    @abstractmethod
    def database_url(self) -> str:
        """Where the service's own data is."""

    @property
    def bus_address(self) -> str | None:
        """Where the broker is, with its password; None for a bus inside the process."""
        return self.bus_url.get_secret_value() if self.bus_url else None

    @property
    def policy(self) -> OutboundPolicy:
        """Where connections of tenants may lead: never to our own database or broker."""
        own = [endpoint_of(self.bus_address)] if self.bus_address else []
        return OutboundPolicy(
            allow_loopback=self.outbound_allow_loopback,
            deny_private=self.outbound_deny_private,
            allowed_networks=self.outbound_allowed_networks,
            denied_addresses=(*self.outbound_denied_addresses, *own, *self._own_database),
        )

    @property
    def _own_database(self) -> tuple[str, ...]:
        address = urlsplit(self.database_url)
        if not address.hostname:
            return ()
        host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        return (f"{host}:{address.port or _POSTGRESQL_PORT}",)

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

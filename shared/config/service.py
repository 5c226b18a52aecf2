"""What the settings of every service have in common."""

import ipaddress
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from shared.bus.opening import endpoint_of
from shared.config.base import DataFolder, LogLevel, Settings, SettingsInvalid
from shared.db.engine import endpoints_of
from shared.observe import redaction
from shared.security import tokens
from shared.security.guard import OutboundPolicy

_SYSTEM_PREFIX: Final = "/api/system/v1"
T = TypeVar("T")


def _split(value: Any) -> Any:
    """A list in an environment variable is written with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _checked(check: Callable[[T], object], value: T) -> T:
    """The value, unless `check` raises a ValueError: its text, which must not repeat the value, is shown."""
    try:
        check(value)
    except ValueError as error:
        raise PydanticCustomError("unusable", "{reason}", {"reason": str(error)}) from None
    return value


def _check_networks(networks: tuple[str, ...]) -> None:
    try:
        for network in networks:
            ipaddress.ip_network(network)
    except ValueError:
        raise ValueError("a network is written like 10.1.0.0/16, with nothing behind its prefix") from None


def _check_endpoints(endpoints: tuple[str, ...]) -> None:
    try:
        OutboundPolicy(denied_addresses=endpoints)
    except ValueError:
        raise ValueError("each is written `host`, `host:port` or `[address]:port`") from None


def _check_http(url: str) -> None:
    try:
        address = urlsplit(url)
        usable = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it begins with http:// or https:// and names its host")


def _broker(value: SecretStr | None) -> SecretStr | None:
    """An empty variable is one that isn't set."""
    if value is None or not value.get_secret_value():
        return None
    _checked(endpoint_of, value.get_secret_value())
    return value


def _database(url: str) -> str:
    """Empty when it isn't set."""
    return _checked(endpoints_of, url) if url else url


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[Names, AfterValidator(partial(_checked, _check_networks))]
Endpoints = Annotated[Names, AfterValidator(partial(_checked, _check_endpoints))]
HttpUrl = Annotated[str, AfterValidator(partial(_checked, _check_http))]
BrokerUrl = Annotated[SecretStr | None, AfterValidator(_broker)]
DatabaseUrl = Annotated[str, AfterValidator(_database), Field(repr=False)]
"""The address of a service's own database, which may hold its password."""


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
    trusted_proxies: Networks = Field(
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
    outbound_allowed_networks: Networks = Field(
        default=(), description="Private networks that resources may be in all the same, such as 10.1.0.0/16."
    )
    outbound_denied_addresses: Endpoints = Field(
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
            denied_addresses=(*self.outbound_denied_addresses, *own, *endpoints_of(self.database_url)),
        )

    def _sqlite_url(self, file: str) -> str:
        return f"sqlite+aiosqlite:///{self.var.absolute() / file}"


class ClientOfSystem(ServiceSettings):
    """The settings of a service that asks System."""

    system_url: HttpUrl = Field(default="http://127.0.0.1:8080", description="Where System answers.")

    @property
    def system_api(self) -> str:
        """System's prefix on its host."""
        base = self.system_url.rstrip("/")
        return base if base.endswith(_SYSTEM_PREFIX) else base + _SYSTEM_PREFIX

    def _client_secret(self, client: str, given: SecretStr | None) -> SecretStr:
        """What we prove to System who we are with; no log shows it. Raises SettingsInvalid without one."""
        secret = given.get_secret_value() if given else ""
        if not secret:
            try:
                secret = (self.var / "secrets" / f"client-{client}").read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise SettingsInvalid(
                    problems="there is no secret of the service client: set"
                    f" PENSTOCK_{client.upper()}_CLIENT_SECRET_FILE, or start System first, which makes"
                    f" var/secrets/client-{client}"
                ) from None
        redaction.redact(secret)
        return SecretStr(secret)

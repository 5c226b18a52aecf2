from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.config.base import DataFolder, Settings
from shared.security import tokens
from shared.security.guard import OutboundPolicy


def _split(value: Any) -> Any:
    """A list in an environment variable is written with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class MetaSettings(Settings):
    """The settings of Meta. Paths that are not given lie below `var`."""

    var: DataFolder = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=0, le=65535)
    meta_database_url: str = ""
    migrate: bool = Field(default=True, description="Upgrade the database at the start.")
    system_url: str = "http://127.0.0.1:8080/api/system/v1"
    meta_client_secret: SecretStr | None = Field(
        default=None, description="The secret of the service client `meta`; else the file of System's start."
    )
    issuer: str = tokens.ISSUER
    trusted_proxies: Names = ()
    sqlite_root: Path | None = None
    outbound_allow_loopback: bool = False
    outbound_deny_private: bool = False
    outbound_allowed_networks: Names = ()
    outbound_denied_addresses: Names = ()
    scan_slots: int = Field(default=2, ge=1, le=64, description="Scans at the same time in this process.")
    scan_seconds: float = Field(default=3_600, gt=0, description="The longest time of one scan.")
    scan_statement_seconds: float = Field(default=60, gt=0, description="The longest time of one query.")

    resource_poll_seconds: float = Field(
        default=30, gt=0, description="How often System is asked for resources whose message was lost."
    )

    @property
    def database_url(self) -> str:
        return self.meta_database_url or f"sqlite+aiosqlite:///{self.var.absolute() / 'meta.db'}"

    @property
    def client_secret_file(self) -> Path:
        return self.var / "secrets" / "client-meta"

    @property
    def policy(self) -> OutboundPolicy:
        """Where connections of tenants may lead."""
        return OutboundPolicy(
            allow_loopback=self.outbound_allow_loopback,
            deny_private=self.outbound_deny_private,
            allowed_networks=self.outbound_allowed_networks,
            denied_addresses=self.outbound_denied_addresses,
        )

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from services.etl.files.service import FileLimits
from services.etl.previews.service import PreviewLimits
from shared.config.base import DataFolder, Settings, SettingsInvalid
from shared.security import tokens
from shared.security.guard import OutboundPolicy

_SYSTEM_PREFIX = "/api/system/v1"


def _split(value: Any) -> Any:
    """A list in an environment variable is written with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class EtlSettings(Settings):
    """The settings of the ETL service. Paths that are not given lie below `var`."""

    var: DataFolder = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    etl_database_url: str = ""
    migrate: bool = Field(default=True, description="Upgrade the database at the start.")
    system_url: str = Field(default="http://127.0.0.1:8080", description="Where System answers.")
    etl_client_secret: SecretStr | None = Field(
        default=None, description="The secret of the service client `etl`; else var/secrets/client-etl."
    )
    issuer: str = tokens.ISSUER
    trusted_proxies: Names = ()
    sqlite_root: Path | None = None
    outbound_allow_loopback: bool = False
    outbound_deny_private: bool = False
    outbound_allowed_networks: Names = ()
    outbound_denied_addresses: Names = ()
    files_root: Path | None = Field(default=None, description="The folder of uploaded files; else var/files.")
    file_max_bytes: int = Field(default=5 * 1024**3, ge=1)
    file_total_bytes: int = Field(default=50 * 1024**3, ge=1, description="For each tenant.")
    file_max_unfinished: int = Field(default=100, ge=1, description="For each tenant.")
    runner: bool = Field(default=True, description="Carry out runs in this process, too.")
    runner_slots: int = Field(default=1, ge=1, le=64, description="Runs at a time.")
    run_memory_mb: int = Field(default=1024, ge=128, description="For the child of one run.")
    preview_seconds: float = Field(default=20.0, gt=0, le=120)
    preview_memory_mb: int = Field(default=512, ge=128)

    @property
    def database_url(self) -> str:
        return self.etl_database_url or f"sqlite+aiosqlite:///{self.var.absolute() / 'etl.db'}"

    @property
    def files_folder(self) -> Path:
        return (self.files_root or self.var / "files").absolute()

    @property
    def system_api(self) -> str:
        """System's prefix on its host."""
        base = self.system_url.rstrip("/")
        return base if base.endswith(_SYSTEM_PREFIX) else base + _SYSTEM_PREFIX

    @property
    def policy(self) -> OutboundPolicy:
        """Where connections of tenants may lead."""
        return OutboundPolicy(
            allow_loopback=self.outbound_allow_loopback,
            deny_private=self.outbound_deny_private,
            allowed_networks=self.outbound_allowed_networks,
            denied_addresses=self.outbound_denied_addresses,
        )

    @property
    def file_limits(self) -> FileLimits:
        return FileLimits(
            file_bytes=self.file_max_bytes,
            total_bytes=self.file_total_bytes,
            unfinished=self.file_max_unfinished,
        )

    @property
    def preview_limits(self) -> PreviewLimits:
        return PreviewLimits(seconds=self.preview_seconds, memory_mb=self.preview_memory_mb)

    def client_secret(self) -> SecretStr:
        """The secret of our service client. Raises SettingsInvalid when there is none."""
        if self.etl_client_secret is not None:
            return self.etl_client_secret
        try:
            return SecretStr((self.var / "secrets" / "client-etl").read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise SettingsInvalid(
                problems="there is no secret of the service client: set PENSTOCK_ETL_CLIENT_SECRET_FILE,"
                " or start System first, which makes var/secrets/client-etl"
            ) from None

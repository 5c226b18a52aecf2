from typing import Final

from pydantic import Field, SecretStr

from shared.config.service import ClientOfSystem, DatabaseUrl

CLIENT_ID: Final = "meta"


class MetaSettings(ClientOfSystem):
    """The settings of Meta. Paths that are not given lie below `var`."""

    port: int = Field(default=8082, ge=0, le=65535, description="0 takes a free one.")
    meta_database_url: DatabaseUrl = Field(
        default="", description="postgresql+asyncpg://user:password@host/name; else a file in `var`."
    )
    meta_client_secret: SecretStr | None = Field(
        default=None, description="The secret of the service client `meta`; else var/secrets/client-meta."
    )
    scan_slots: int = Field(default=2, ge=1, le=64, description="Scans at the same time in this process.")
    scan_seconds: float = Field(default=3_600, gt=0, description="The longest time of one scan.")
    scan_statement_seconds: float = Field(default=60, gt=0, description="The longest time of one query.")
    resource_poll_seconds: float = Field(
        default=30, gt=0, description="How often System is asked for resources whose message was lost."
    )

    @property
    def database_url(self) -> str:
        return self.meta_database_url or self._sqlite_url("meta.db")

    def client_secret(self) -> SecretStr:
        """The secret of our service client. Raises SettingsInvalid when there is none."""
        return self._client_secret(CLIENT_ID, self.meta_client_secret)

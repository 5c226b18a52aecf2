from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr

from services.etl.files.service import FileLimits
from services.etl.previews.service import PreviewLimits
from shared.config.service import ClientOfSystem, DatabaseUrl, HttpUrl

CLIENT_ID: Final = "etl"
_META_PREFIX: Final = "/api/meta/v1"


class EtlSettings(ClientOfSystem):
    """The settings of the ETL service. Paths that are not given lie below `var`."""

    port: int = Field(default=8083, ge=0, le=65535, description="0 takes a free one.")
    etl_database_url: DatabaseUrl = Field(
        default="", description="postgresql+asyncpg://user:password@host/name; else a file in `var`."
    )
    etl_client_secret: SecretStr | None = Field(
        default=None, description="The secret of the service client `etl`; else var/secrets/client-etl."
    )
    meta_url: HttpUrl = Field(default="http://127.0.0.1:8080", description="Where Meta answers.")
    files_root: Path | None = Field(default=None, description="The folder of uploaded files; else var/files.")
    file_max_bytes: int = Field(default=5 * 1024**3, ge=1, description="The largest upload.")
    file_total_bytes: int = Field(
        default=50 * 1024**3, ge=1, description="All uploads of one tenant together."
    )
    file_max_unfinished: int = Field(default=100, ge=1, description="Unfinished uploads of one tenant.")
    runner: bool = Field(default=True, description="Carry out runs in this process, too.")
    runner_slots: int = Field(default=1, ge=1, le=64, description="Runs at a time.")
    run_memory_mb: int = Field(default=1024, ge=128, description="MiB for the child of one run.")
    preview_seconds: float = Field(default=20.0, gt=0, le=120, description="The longest preview.")
    inspect_minutes: float = Field(
        default=60.0,
        ge=0,
        le=525_600,
        description="Minutes between two looks at all published data tables; 0 for never.",
    )
    preview_memory_mb: int = Field(default=512, ge=128, description="MiB for the child of a preview.")

    @property
    def database_url(self) -> str:
        return self.etl_database_url or self._sqlite_url("etl.db")

    @property
    def meta_api(self) -> str:
        """Meta's prefix on its host."""
        base = self.meta_url.rstrip("/")
        return base if base.endswith(_META_PREFIX) else base + _META_PREFIX

    @property
    def files_folder(self) -> Path:
        return (self.files_root or self.var / "files").absolute()

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
        return self._client_secret(CLIENT_ID, self.etl_client_secret)


class RunnerSettings(EtlSettings):
    """The settings of a runner in a process of its own."""

    port: int = Field(default=8084, ge=0, le=65535, description="0 takes a free one.")

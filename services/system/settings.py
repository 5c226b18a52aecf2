from pathlib import Path

from pydantic import Field, SecretStr

from shared.config.service import ServiceSettings


class SystemSettings(ServiceSettings):
    """The settings of System. Paths that are not given lie below `var`."""

    system_database_url: str = ""
    embedded: bool = Field(default=False, description="Make a first tenant with an owner and a warehouse.")
    login_tenant: str = Field(default="default", description="The tenant of logins that name none.")
    master_keys: SecretStr | None = None
    signing_key: SecretStr | None = None
    admin_password_file: Path | None = None
    owner_password_file: Path | None = None

    @property
    def database_url(self) -> str:
        return self.system_database_url or self._sqlite_url("system.db")

    @property
    def secrets_folder(self) -> Path:
        return self.var / "secrets"

    @property
    def master_keys_file(self) -> Path:
        return self.secrets_folder / "master-keys"

    @property
    def first_passwords(self) -> Path:
        return self.var / "first-passwords.txt"

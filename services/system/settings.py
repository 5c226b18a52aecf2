from pathlib import Path

from pydantic import Field, SecretStr

from shared.config.service import DatabaseUrl, ServiceSettings


class SystemSettings(ServiceSettings):
    """The settings of System. Paths that are not given lie below `var`.

    With a database elsewhere, all keys, the clients' secrets and the file of the administrator's password
    given, nothing is written to any folder.
    """

    system_database_url: DatabaseUrl = Field(
        default="", description="postgresql+asyncpg://user:password@host/name; else a file in `var`."
    )
    embedded: bool = Field(default=False, description="Make a first tenant with an owner and a warehouse.")
    login_tenant: str = Field(default="default", description="The tenant of logins that name none.")
    master_keys: SecretStr | None = Field(
        default=None, description="The keys of stored secrets, the one in use first; else made in `var`."
    )
    signing_key: SecretStr | None = Field(
        default=None, description="The private key of tokens; else made in `var`."
    )
    meta_client_secret: SecretStr | None = Field(default=None, description="Of the service client `meta`.")
    etl_client_secret: SecretStr | None = Field(default=None, description="Of the service client `etl`.")
    admin_password_file: Path | None = Field(
        default=None, description="The platform administrator's first password; else a random one."
    )
    owner_password_file: Path | None = Field(
        default=None, description="The first password of embedded mode's first user; else a random one."
    )

    @property
    def database_url(self) -> str:
        return self.system_database_url or self._sqlite_url("system.db")

    def given_client_secret(self, name: str) -> SecretStr | None:
        """The secret of a service client, when it doesn't come from a file of our own."""
        return {"meta": self.meta_client_secret, "etl": self.etl_client_secret}[name]

    @property
    def secrets_folder(self) -> Path:
        return self.var / "secrets"

    @property
    def master_keys_file(self) -> Path:
        return self.secrets_folder / "master-keys"

    @property
    def first_passwords(self) -> Path:
        return self.var / "first-passwords.txt"

"""The folder of a compose installation: secrets that only the containers' user can read, made once."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.init import material

DATABASES: Final = ("system", "meta", "etl")
BROKER_USER: Final = "penstock"
PRIVATE, READABLE = 0o600, 0o644
CERTIFICATE: Final = ("tls/tls.crt", "tls/tls.key")
"""What the operator puts there, often as root, and the gateway reads."""
MADE_WITH: Final[dict[str, tuple[str, ...]]] = {
    "postgres/roles.sql": ("secrets/master-keys", *(f"secrets/{name}-database-url" for name in DATABASES)),
    "rabbitmq/definitions.json": ("secrets/bus-url",),
}
"""What has gone into the servers' data since the file was made: a new secret wouldn't fit them."""


class FolderUnusable(Exception):
    """Secrets are gone that the data were made with; the text names them and says what to do."""


@dataclass
class Folder:
    """`path` has mode 0700, so that what is readable in it is so for containers alone.

    `made` and `kept` are the names of the files that `fill` has made and found, `mended` of those that had
    another owner or mode, as after a restore.
    """

    path: Path
    owner: tuple[int, int]
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise FolderUnusable when a secret is gone for which a new one would not do."""
        empty = [path for path in sorted(self.path.glob("*/*")) if path.stat().st_size == 0]
        if empty:
            names = " and ".join(str(path.relative_to(self.path)) for path in empty)
            raise FolderUnusable(f"{names} in {self.path}: empty. Restore it from your backup.")
        lost = [
            secret
            for made, secrets in MADE_WITH.items()
            if (self.path / made).exists()
            for secret in secrets
            if not (self.path / secret).exists()
        ]
        if lost:
            raise FolderUnusable(
                f"{' and '.join(lost)} in {self.path}: missing. Restore it from your backup: what the servers"
                " have stored was made with it, and a new one would not fit."
            )

    def fill(self, admin_password: Callable[[], str]) -> None:
        """Make what is missing. `admin_password` is asked only when there is none yet."""
        for folder in (self.path, *(self.path / name for name in ("secrets", "postgres", "rabbitmq", "tls"))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own(folder)
        self._secret("master-keys", material.master_keys)
        self._secret("signing-key", material.signing_key)
        for client in ("meta", "etl"):
            self._secret(f"client-{client}", material.password)
        for name in DATABASES:
            self._secret(f"{name}-database-url", partial(_database_url, name))
        self._secret("bus-url", lambda: f"amqp://{BROKER_USER}:{material.password()}@rabbitmq:5672/")
        self._secret("admin-password", admin_password)
        self._file("postgres/first-password", material.password, READABLE)
        self._file("postgres/roles.sql", self._roles, READABLE)
        self._file("rabbitmq/definitions.json", self._definitions, READABLE)
        for name in CERTIFICATE:
            if (self.path / name).exists():
                self._mend(name, PRIVATE)

    def has(self, name: str) -> bool:
        return (self.path / "secrets" / name).exists()

    def _secret(self, name: str, make: Callable[[], str]) -> None:
        self._file(f"secrets/{name}", make, PRIVATE)

    def _file(self, name: str, make: Callable[[], str], mode: int) -> None:
        path = self.path / name
        if path.exists():
            self.kept.append(name)
            self._mend(name, mode)
            return
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make() + "\n")
            os.fchmod(descriptor, mode)
        self._own(draft)
        draft.rename(path)
        self.made.append(name)

    def _mend(self, name: str, mode: int) -> None:
        path = self.path / name
        found = path.stat()
        ours = os.geteuid() != 0 or (found.st_uid, found.st_gid) == self.owner
        if ours and stat.S_IMODE(found.st_mode) == mode:
            return
        path.chmod(mode)
        self._own(path)
        self.mended.append(name)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, *self.owner)

    def _password(self, secret: str) -> str:
        url = (self.path / "secrets" / secret).read_text(encoding="utf-8").strip()
        return urlsplit(url).password or ""

    def _roles(self) -> str:
        """A role and a database for each service, where nobody else may enter."""
        lines = ["REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;"]
        for name in DATABASES:
            role = f"penstock_{name}"
            verifier = material.scram_verifier(self._password(f"{name}-database-url"))
            lines += [
                f"CREATE ROLE {role} LOGIN PASSWORD '{verifier}';",
                f"CREATE DATABASE {role} OWNER {role};",
                f"REVOKE ALL ON DATABASE {role} FROM PUBLIC;",
            ]
        lines.append("-- From here on the superuser enters by the socket inside of the container only.")
        lines.append("ALTER ROLE CURRENT_USER PASSWORD NULL;")
        return "\n".join(lines)

    def _definitions(self) -> str:
        """RabbitMQ's one user, with a hash in place of the password; there is no user `guest` then."""
        user = {
            "name": BROKER_USER,
            "password_hash": material.rabbitmq_hash(self._password("bus-url")),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        }
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        permission = {"user": BROKER_USER, "vhost": "/", **rights}
        whole = {"vhosts": [{"name": "/"}], "users": [user], "permissions": [permission]}
        return json.dumps(whole, indent=1)


def _database_url(name: str) -> str:
    return f"postgresql+asyncpg://penstock_{name}:{material.password()}@postgres:5432/penstock_{name}"

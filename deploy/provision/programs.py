"""The servers that the test suites start for themselves, and where their programs are found."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A server whose programs must be installed; nothing needs to run."""

    title: str
    program: str
    folders: str
    """Where Debian keeps the program when it is not on the PATH, as a glob below /."""
    debian_packages: tuple[str, ...]

    def installed(self) -> Path | None:
        """The program, or None."""
        on_path = shutil.which(self.program)
        if on_path:
            return Path(on_path)
        found = sorted(Path("/").glob(f"{self.folders}/{self.program}"))
        return found[-1] if found else None


SERVERS = (
    Server("PostgreSQL", "postgres", "usr/lib/postgresql/*/bin", ("postgresql",)),
    Server("MariaDB", "mariadbd", "usr/sbin", ("mariadb-server",)),
    Server("RabbitMQ", "rabbitmq-server", "usr/sbin", ("rabbitmq-server",)),
    Server("nginx", "nginx", "usr/sbin", ("nginx-light",)),
)

"""Opening the database that holds a data table."""

from collections.abc import Callable, Mapping
from pathlib import Path

from shared.contracts.connection import ResourceConnection
from shared.security.guard import OutboundPolicy

from .base import Decide, Target
from .mysql import MysqlTarget
from .postgresql import PostgresqlTarget
from .sqlite import SqliteTarget

__all__ = ["Decide", "Target", "Targets"]


class Targets:
    """Makes the target of a resource, by its type."""

    def __init__(self, *, policy: OutboundPolicy, sqlite_root: Path | None) -> None:
        self._makers: Mapping[str, Callable[[ResourceConnection], Target]] = {
            "postgresql": lambda resource: PostgresqlTarget(resource, policy),
            "mysql": lambda resource: MysqlTarget(resource, policy),
            "sqlite": lambda resource: SqliteTarget(resource, sqlite_root),
        }

    def open(self, resource: ResourceConnection) -> Target:
        """The target, not connected yet. Raises ConnectRefused for a file that may not be opened."""
        return self._makers[resource.connection.type](resource)

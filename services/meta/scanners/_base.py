"""What every scanner is: one file, one class, found by discovery, tested by the contract suite."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from services.meta.scanners._model import DatabaseInfo, SchemaList, TableFilter, Unit
from shared.contracts.connection import ResourceConnection
from shared.security import guard


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of server has: facts for the console and for tests, never for a switch by name."""

    many_databases: bool
    schemas: bool
    comments: bool
    owners: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a scanner gets from its service: where it may connect to, and bounds in seconds and tables."""

    policy: guard.OutboundPolicy
    sqlite_root: Path | None = None
    connect_timeout: float = 10.0
    statement_timeout: float = 60.0
    lock_timeout: float = 1.0
    unit_tables: int = 500
    max_failures: int = 50


class Scanner(ABC):
    """Read the catalog of one resource. Changes nothing there; holds at most two connections.

    Both methods raise `shared.engines.errors.ConnectFailed` where the server can't be reached. Close
    what `scan` returns (contextlib.aclosing) when you don't read it to its end.
    """

    name: ClassVar[str]
    kind: ClassVar[Literal["scanner"]] = "scanner"
    capabilities: ClassVar[Capabilities]

    def __init__(self, resource: ResourceConnection, surroundings: Surroundings) -> None:
        self.resource = resource
        self.surroundings = surroundings

    @abstractmethod
    async def list_databases(self) -> list[DatabaseInfo]:
        """Level 1: the databases of the server, without templates, in the order of their names."""

    @abstractmethod
    def scan(self, database: str, wanted: TableFilter) -> AsyncGenerator[SchemaList | Unit, None]:
        """Level 2: first the schemas, then units of tables, schema by schema.

        A table that can't be read is a failure of its unit and fails nothing else.
        """

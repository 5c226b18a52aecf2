"""Read a schema bucket by bucket: where a bucket fails, halves of it, down to the tables that fail."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from services.meta.scanners._model import TableFailure, TableInfo

T = TypeVar("T")
Bucket = tuple[list[TableInfo], list[TableFailure]]
TOO_LONG: Final = "reading it took too long"
LOCKED: Final = "it is locked by another session"
FORBIDDEN: Final = "the user may not read it"


@dataclass
class Part(Generic[T]):
    """A schema that is being read. `read` is called with the tables of a bucket.

    `refused` tells why a bucket failed, or None for what ends the scan; `name` gives a table's name.
    `failures_left` says how many may still fail one by one: after that whole buckets fail.
    """

    schema: str
    name: Callable[[T], str]
    read: Callable[[Sequence[T]], Awaitable[Bucket]]
    refused: Callable[[Exception], str | None]
    failures_left: int

    async def bucket(self, tables: Sequence[T]) -> Bucket:
        """The tables that could be read, and the failures of those that could not."""
        try:
            return await self.read(tables)
        except Exception as error:
            reason = self.refused(error)
            if reason is None:
                raise
        if len(tables) == 1 or self.failures_left <= 0:
            self.failures_left -= len(tables)
            return [], [TableFailure(self.schema, self.name(table), reason) for table in tables]
        middle = len(tables) // 2
        halves = [await self.bucket(half) for half in (tables[:middle], tables[middle:])]
        return [t for found, _ in halves for t in found], [f for _, failed in halves for f in failed]

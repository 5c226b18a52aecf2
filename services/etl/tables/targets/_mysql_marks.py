"""Our notes in a database of MySQL or MariaDB, as they are read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from services.etl.tables.definition import Location
from services.etl.tables.dialects import Dialect, Sql
from services.etl.tables.dialects import _mysql_marks as notes
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.physical import Mark, Marked, Place, Sight

_IS_THERE: Final = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
_EVERYWHERE: Final = "SELECT table_schema FROM information_schema.tables WHERE table_name = %s ORDER BY 1"
_TABLES: Final = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
_NOTES: Final = "SELECT state, table_name, revision, fingerprint FROM {marks} WHERE table_id = %s"
_OTHERS: Final = (
    "SELECT table_name FROM {marks} WHERE state = 'published' AND table_id <> %s AND table_name IN %s"
)
_PUBLISHED: Final = (
    "SELECT table_id, table_name, revision, fingerprint FROM {marks} WHERE state = 'published' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes about one table, with the names that it has in them.

    `others` are those of the names where it may be that the notes about other data tables have.
    """

    published: Mark | None = None
    published_name: str | None = None
    begun: Mark | None = None
    begun_name: str | None = None
    others: frozenset[str] = frozenset()

    def is_foreign(self, name: str) -> bool:
        """Whether what has this name is a table of another data table."""
        return name in self.others and name not in {self.published_name, self.begun_name}


async def notes_of(cursor: Any, dialect: Dialect, place: Place) -> Notes:
    """All that is noted of a table in its database; nothing where no publish has been."""
    location, table_id = place.location, place.table_id
    await cursor.execute(_IS_THERE, (location.schema, MARKS))
    if await cursor.fetchone() is None:
        return Notes()
    query = _NOTES.format(marks=_template(dialect.at(location, MARKS)))
    await cursor.execute(query, (str(table_id),))
    found: Mapping[str, tuple[str, Mark]] = {
        state: (name, Mark(table_id, revision, fingerprint))
        for state, name, revision, fingerprint in await cursor.fetchall()
    }
    name, published = found.get("published", (None, None))
    begun_name, begun = found.get("begun", (None, None))
    if begun is not None:
        begun = replace(begun, settled=found.get("settled") == (begun_name, begun))
    query = _OTHERS.format(marks=_template(dialect.at(location, MARKS)))
    await cursor.execute(query, (str(table_id), [*place.names, location.name]))
    others = frozenset(other for (other,) in await cursor.fetchall())
    return Notes(published, name, begun, begun_name, others)


async def marked(cursor: Any, dialect: Dialect) -> list[Marked]:
    """All tables with a mark, in every database that the user can see."""
    await cursor.execute(_EVERYWHERE, (MARKS,))
    found: list[Marked] = []
    for (schema,) in await cursor.fetchall():
        await cursor.execute(_TABLES, (schema,))
        tables = {name for (name,) in await cursor.fetchall()}
        await cursor.execute(_PUBLISHED.format(marks=dialect.at(Location(schema, MARKS))))
        found += _marked(schema, await cursor.fetchall(), tables)
    return found


def restored(dialect: Dialect, place: Place, before: Sight) -> Iterator[Sql]:
    """Take back what was noted of a change that changed nothing."""
    marks = dialect.at(place.location, MARKS)
    yield notes.ended(marks, place.table_id)
    if before.begun is not None:
        yield notes.note(marks, place.location.name, before.begun, "begun")
        if before.begun.settled:
            yield notes.note(marks, place.location.name, before.begun, "settled")


def _marked(schema: str, rows: Sequence[Any], tables: set[str]) -> Iterator[Marked]:
    for table_id, name, revision, fingerprint in rows:
        try:
            mark = UUID(table_id)
        except ValueError:
            continue  # nobody knows a table of such an id
        # A server that folds names keeps them in small letters.
        exists = bool({name, name.lower()} & tables)
        yield Marked(mark, Location(schema, name), revision, fingerprint, exists)


def _template(name: str) -> str:
    return name.replace("%", "%%")

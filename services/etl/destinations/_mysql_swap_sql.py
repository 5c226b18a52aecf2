"""The SQL that puts a new table in the place of one of MySQL.

RENAME TABLE is one atomic statement, but commits by itself. So what the ledger is to say is noted before it:
an attempt that dies after the swap has left the old table under a name of ours, and whoever comes next
writes the ledger row out of the note. Without that name there was no swap, and the note means nothing.
"""

# ruff: noqa: S608  every name is quoted, every value is a parameter

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from services.etl.destinations._ledger import CURSOR, LEDGER
from shared.engines.mysql import quote

SWAP: Final = "_penstock_swap"

LEFT: Final = f"""
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = %s AND (LEFT(table_name, %s) = %s OR table_name = '{SWAP}')"""

REFERRING: Final = """
    SELECT constraint_name FROM information_schema.referential_constraints
    WHERE unique_constraint_schema = %s AND referenced_table_name = %s
    AND NOT (constraint_schema = unique_constraint_schema AND table_name = referenced_table_name)"""

TRIGGERS: Final = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = %s AND event_object_table = %s"""

_HOST: Final = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)"
_NAME: Final = f"LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({_HOST}) - 1)"

NEEDED: Final = ("ALTER", "CREATE", "DROP", "INSERT", "TRIGGER")
"""Whoever may not have triggers sees none (MySQL manual, section 28.3.50): there might be some."""

GRANTED: Final = f"""
    SELECT COUNT(DISTINCT privilege_type) FROM (
        SELECT grantee, privilege_type FROM information_schema.user_privileges
        UNION ALL SELECT grantee, privilege_type FROM information_schema.schema_privileges
        WHERE %s LIKE table_schema ESCAPE '\\') AS granted
    WHERE privilege_type IN {NEEDED} AND grantee = CONCAT("'", {_NAME}, "'@'", {_HOST}, "'")"""
"""How many of them the user has, by itself and in the whole database."""

_NEXT_NUMBER: Final = re.compile(r"^(\) ENGINE=\w+) AUTO_INCREMENT=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a table's runs give to what they put in its place, and to what was there."""

    table_key: str

    @property
    def prefix(self) -> str:
        """What all of them begin with: those of another table don't."""
        return f"_penstock_{hashlib.blake2b(self.table_key.encode(), digest_size=6).hexdigest()}_"

    def new(self, run_id: str) -> str:
        """The table that is filled."""
        return f"{self.prefix}{run_id}_n"

    def old(self, run_id: str) -> str:
        """The table whose place was taken."""
        return f"{self.prefix}{run_id}_o"


def create(schema: str) -> str:
    """The table of notes, harmless where it exists. `schema` is the quoted one."""
    return (
        f"CREATE TABLE IF NOT EXISTS {schema}.{SWAP} (run_id char(32) NOT NULL PRIMARY KEY,"
        " table_key varchar(300) NOT NULL, fence bigint NOT NULL, counts longtext NOT NULL,"
        " stream varchar(300), `cursor` longtext) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
        " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )


def note(schema: str) -> str:
    """What the ledger and the cursor are to say once the swap has happened."""
    return (
        f"INSERT INTO {schema}.{SWAP} (run_id, table_key, fence, counts, stream, `cursor`)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )


def begun(schema: str) -> str:
    """The runs of a table that were about to swap, with their streams."""
    return f"SELECT run_id, stream FROM {schema}.{SWAP} WHERE table_key = %s FOR UPDATE"


def record(schema: str) -> str:
    """The ledger row of a run, out of its note."""
    return (
        f"INSERT INTO {schema}.{LEDGER} (run_id, table_key, fence, counts)"
        f" SELECT run_id, table_key, fence, counts FROM {schema}.{SWAP} WHERE run_id = %s"
    )


def record_cursor(schema: str) -> str:
    """The cursor of a run's stream, out of its note."""
    return (
        f"REPLACE INTO {schema}.{CURSOR} (stream, `cursor`, run_id)"
        f" SELECT stream, `cursor`, run_id FROM {schema}.{SWAP} WHERE run_id = %s"
    )


def forget(schema: str) -> str:
    """The note of a run is done with."""
    return f"DELETE FROM {schema}.{SWAP} WHERE run_id = %s"


def swap(table: str, *, new: str, old: str) -> str:
    """The new table has the name from now on."""
    return f"RENAME TABLE {table} TO {old}, {new} TO {table}"


def definition(spelled: str, name: str) -> tuple[str, int | None]:
    """A table's CREATE statement without its name and its next number, and that number."""
    number = _NEXT_NUMBER.search(spelled)
    plain = _NEXT_NUMBER.sub(r"\1", spelled)
    return plain.removeprefix(f"CREATE TABLE {quote(name)}"), int(number[2]) if number else None

"""The SQL of the MySQL target. Every name in it is quoted, every value is a parameter or a literal of ours.

A `schema` comes quoted and as a template has it, with its percent signs doubled.
"""

# ruff: noqa: S608  see above

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.etl.destinations._ledger import CURSOR, FENCE, LEDGER
from services.etl.pipeline.definition import Winner
from shared.engines.mysql import quote

EXACT_COLLATIONS: Final = frozenset({"utf8mb4_0900_bin", "utf8mb4_nopad_bin"})
"""Code points decide, and trailing blanks count: different texts are never taken for one."""

TABLES: Final = """
    SELECT table_name, table_type, engine FROM information_schema.tables
    WHERE table_schema = %s AND table_name IN (%s, %s, %s, %s)"""

COLUMNS: Final = """
    SELECT column_name, data_type, column_type, is_nullable, column_default, extra,
           character_set_name, collation_name, datetime_precision, numeric_scale
    FROM information_schema.columns WHERE table_schema = %s AND table_name = %s
    ORDER BY ordinal_position"""

UNIQUE_KEYS: Final = """
    SELECT index_name, column_name, sub_part, index_type FROM information_schema.statistics
    WHERE table_schema = %s AND table_name = %s AND non_unique = 0"""

HOLDER: Final = "SELECT IS_USED_LOCK(%s), CONNECTION_ID()"
TAKE_LOCK: Final = "SELECT GET_LOCK(%s, %s)"
WARNINGS: Final = "SELECT @@warning_count"
WARNED: Final = "SHOW WARNINGS"
HARMLESS: Final = frozenset({1592})
"""What says nothing of the rows: a replica might see another order of them (binlog_format STATEMENT)."""

WRITE_EXACTLY: Final = (
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO'), sql_notes = 1,"
    " max_error_count = 64, foreign_key_checks = 1, unique_checks = 1"
)
"""A zero for an AUTO_INCREMENT column is one; what is rounded or cut is at least noted and can be read.
Servers may be set to check no keys."""

LOADS: Final = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('local_infile', 'wsrep_load_data_splitting')"
LOADING: Final = ({"local_infile": "ON"}, {"local_infile": "ON", "wsrep_load_data_splitting": "OFF"})
"""The answers of servers that load: a cluster that splits what is loaded commits a part of it by itself."""

NO_LOADS: Final = frozenset({1148, 1235, 3948, 3950, 4166})
"""What servers and proxies say to a LOAD DATA LOCAL that they don't take."""
LONGEST_PACKET: Final = "SELECT @@max_allowed_packet"


@dataclass(frozen=True, slots=True)
class Found:
    """A column as the target has it; `declared` is its type as the catalog spells it."""

    name: str
    data_type: str
    declared: str
    nullable: bool
    default: str | None
    extra: str
    charset: str | None
    collation: str | None
    time_precision: int | None
    scale: int | None

    @property
    def is_generated(self) -> bool:
        """Whether the server computes its values."""
        return "generated" in self.extra.lower().replace("default_generated", "")

    @property
    def is_touched(self) -> bool:
        """Whether the server sets it to the moment of every update that does not say what it is to be."""
        return "on update" in self.extra.lower()

    @property
    def must_be_given(self) -> bool:
        """Whether a row needs a value for it."""
        filled = self.default is not None or "auto_increment" in self.extra.lower()
        return not (self.nullable or filled or self.is_generated)

    @property
    def is_large(self) -> bool:
        """Whether only the beginnings of its values can be in a key."""
        return self.data_type.endswith(("text", "blob")) or self.data_type == "json"

    @property
    def is_binary(self) -> bool:
        """Whether its values are bytes and no text."""
        return self.data_type.endswith(("binary", "blob"))

    @property
    def is_exact(self) -> bool:
        """Whether its values are equal only when they are the same."""
        return self.collation is None or self.collation in EXACT_COLLATIONS


def lock_name(schema: str, table_key: str) -> str:
    """The server-wide lock of a table: at most 64 characters."""
    digest = hashlib.blake2b(f"{schema}\x00{table_key}".encode(), digest_size=20).hexdigest()
    return f"penstock run {digest}"


def change_lock_name(schema: str, table_key: str) -> str:
    """The lock that who changes the table itself holds besides that of its runs."""
    return lock_name(schema, table_key).replace("run", "change", 1)


def stage_name(run_id: UUID) -> str:
    """The temporary table of a run."""
    return f"_penstock_stage_{run_id.hex}"


def raise_fence(schema: str) -> str:
    """Raise the fence unless it is higher already; the assignments see what those before them have set."""
    return (
        f"INSERT INTO {schema}.{FENCE} (table_key, fence, run_id) VALUES (%s, %s, %s)"
        " ON DUPLICATE KEY UPDATE run_id = IF(fence <= %s, %s, run_id), fence = GREATEST(fence, %s)"
    )


def held_fence(schema: str) -> str:
    """The fence, held until the end of the transaction."""
    return f"SELECT fence FROM {schema}.{FENCE} WHERE table_key = %s FOR UPDATE"


def ledger_row(schema: str) -> str:
    """The counts of a run's commit."""
    return f"SELECT counts FROM {schema}.{LEDGER} WHERE run_id = %s"


def write_ledger(schema: str) -> str:
    """The run's ledger row."""
    return f"INSERT INTO {schema}.{LEDGER} (run_id, table_key, fence, counts) VALUES (%s, %s, %s, %s)"


def write_cursor(schema: str) -> str:
    """How far a stream is, in the place of how far it was."""
    return f"REPLACE INTO {schema}.{CURSOR} (stream, `cursor`, run_id) VALUES (%s, %s, %s)"


def last_cursor(schema: str) -> str:
    """How far a stream is."""
    return f"SELECT `cursor` FROM {schema}.{CURSOR} WHERE stream = %s"


def hold_table(table: str) -> str:
    """Reads no row: until the end of the transaction nobody can alter the table."""
    return f"SELECT 1 FROM {table} LIMIT 0"


def insert(table: str, columns: Sequence[str]) -> str:
    """The beginning of a statement whose rows follow."""
    return f"INSERT INTO {table} ({listed(columns)}) VALUES "


def load(table: str, columns: Sequence[Found], *, replacing: bool = False) -> str:
    """The statement that takes rows as lines of text, with their bytes in hexadecimal digits.

    The file it names is none: what is sent for it is ours.
    """
    spelled = [f"@v{at}" if column.is_binary else quote(column.name) for at, column in enumerate(columns)]
    decoded = [
        f"{quote(column.name)} = UNHEX(@v{at})" for at, column in enumerate(columns) if column.is_binary
    ]
    return (
        f"LOAD DATA LOCAL INFILE 'penstock'{' REPLACE' * replacing} INTO TABLE {table} CHARACTER SET utf8mb4"
        " FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'"
        f" ({', '.join(spelled)}){' SET ' * bool(decoded)}{', '.join(decoded)}"
    )


def stage_rows(stage: str, columns: Sequence[str], key: Sequence[str], winner: Winner) -> tuple[str, str]:
    """The beginning and the end of a statement whose rows go into the stage, one for each key."""
    if winner == "last":
        return f"REPLACE INTO {stage} ({listed(columns)}) VALUES ", ""
    kept = quote(key[0])
    return insert(stage, columns), f" ON DUPLICATE KEY UPDATE {kept} = {kept}"


def create_stage(stage: str, columns: Sequence[Found], key: Sequence[str]) -> str:
    """A table of this session alone, gone with it, with the columns and the key as the target has them."""
    spelled = [_declared(column, required=column.name in key) for column in columns]
    spelled.append(f"PRIMARY KEY ({listed(key)})")
    return f"CREATE TEMPORARY TABLE {stage} ({', '.join(spelled)}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"


def update_changed(table: str, stage: str, columns: Sequence[Found], key: Sequence[str]) -> str | None:
    """Rows of known keys that differ take the values of the stage, in the order of its key."""
    others = [column for column in columns if column.name not in key]
    if not others:
        return None
    given = [*others, *(column for column in columns if column.name in key and column.is_touched)]
    changed = ", ".join(f"t.{quote(column.name)} = s.{quote(column.name)}" for column in given)
    unchanged = " AND ".join(same(column) for column in others)
    both = f"{stage} AS s STRAIGHT_JOIN {table} AS t ON {joined('t', key)}"
    return f"UPDATE {both} SET {changed} WHERE NOT ({unchanged})"


def insert_new(table: str, stage: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Rows of new keys, in the order of the key. Another unique key that is taken is an error."""
    return (
        f"INSERT INTO {table} ({listed(columns)}) SELECT {listed(columns)} FROM {stage} AS s"
        f" WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {joined('t', key)}) ORDER BY {listed(key)}"
    )


def fill(table: str, columns: Sequence[str], rows: str) -> str:
    """All rows of another table into the table."""
    return f"INSERT INTO {table} ({listed(columns)}) SELECT {listed(columns)} FROM {rows}"


def empty(table: str) -> str:
    """All rows go; readers see them until the commit."""
    return f"DELETE FROM {table}"


def delete_absent(table: str, stage: str, key: Sequence[str]) -> str:
    """Rows go whose keys are not in the stage."""
    return (
        f"DELETE t FROM {table} AS t LEFT JOIN {stage} AS s ON {joined('t', key)}"
        f" WHERE s.{quote(key[0])} IS NULL"
    )


def count(table: str) -> str:
    """How many rows a table has."""
    return f"SELECT COUNT(*) FROM {table}"


def _declared(column: Found, *, required: bool) -> str:
    text = f" CHARACTER SET {column.charset} COLLATE {column.collation}" if column.collation else ""
    return f"{quote(column.name)} {column.declared}{text} {'NOT NULL' if required else 'NULL'}"


def same(column: Found) -> str:
    """Whether a column of t and s has the same value, byte by byte."""
    old, new = (f"{alias}.{quote(column.name)}" for alias in ("t", "s"))
    if column.is_exact:
        return f"{old} <=> {new}"
    return f"CAST({old} AS BINARY) <=> CAST({new} AS BINARY)"


def joined(alias: str, key: Sequence[str]) -> str:
    """Whether a row of `alias` has the key of one of s."""
    return " AND ".join(f"{alias}.{quote(name)} = s.{quote(name)}" for name in key)


def listed(names: Sequence[str]) -> str:
    """Names, quoted, one after the other."""
    return ", ".join(quote(name) for name in names)

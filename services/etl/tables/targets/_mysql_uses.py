"""What others have made in MySQL and MariaDB that uses columns of a table: servers break or shorten it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from services.etl.tables.physical import Use

_TRIGGERS: Final = """
SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers
 WHERE event_object_schema = %s AND event_object_table = %s ORDER BY trigger_name
"""
_GENERATED: Final = """
SELECT column_name, generation_expression FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s AND COALESCE(generation_expression, '') <> ''
"""
_FOREIGN_KEYS: Final = """
SELECT constraint_name, column_name FROM information_schema.key_column_usage
 WHERE table_schema = %s AND table_name = %s AND referenced_table_name IS NOT NULL
"""
_CHECKS: Final = """
SELECT constraint_name, check_clause, level FROM information_schema.check_constraints
 WHERE constraint_schema = %s AND table_name = %s
"""
"""Of MariaDB: MySQL has its checks apart from the columns, and keeps or refuses by itself."""
_FULLTEXT: Final = """
SELECT 1 FROM information_schema.statistics
 WHERE table_schema = %s AND table_name = %s AND index_type = 'FULLTEXT' LIMIT 1
"""
_FORMAT: Final = (
    "SELECT row_format FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
)
_TOKENS: Final = re.compile(r"`((?:[^`]|``)*)`|'(?:[^'\\]|''|\\.)*'|([\w$]+)", re.DOTALL)

Table = tuple[str, str]
"""Schema and name."""


async def checks(cursor: Any, table: Table, columns: Collection[str]) -> tuple[Mapping[str, str], list[Use]]:
    """MariaDB's checks: those of columns, which another declaration takes away, and others.

    After RENAME COLUMN the catalog goes on calling a check by the old name.
    """
    await cursor.execute(_CHECKS, table)
    own: dict[str, str] = {}
    others: list[Use] = []
    for name, clause, level in await cursor.fetchall():
        used = mentioned(clause, columns)
        column = next((one for one in columns if one.lower() == name.lower() and one in used), None)
        if level != "Column" or (column is None and len(used) != 1):
            others.append(Use(f"the check {name}", used, needs=True))
        else:
            own[column or used[0]] = clause
    return own, others


async def uses(cursor: Any, table: Table, columns: Collection[str]) -> list[Use]:
    """Triggers, generated columns and foreign keys of the table."""
    await cursor.execute(_TRIGGERS, table)
    found = [
        Use(f"the trigger {name}", mentioned(statement, columns), needs=True, fires=event == "UPDATE")
        for name, event, statement in await cursor.fetchall()
    ]
    await cursor.execute(_GENERATED, table)
    found += [
        Use(f"the generated column {name}", mentioned(expression, columns), needs=True)
        for name, expression in await cursor.fetchall()
    ]
    await cursor.execute(_FOREIGN_KEYS, table)
    keys: dict[str, list[str]] = {}
    for name, column in await cursor.fetchall():
        keys.setdefault(name, []).append(column)
    return [*found, *(Use(f"the foreign key {name}", tuple(of), needs=True) for name, of in keys.items())]


async def options(cursor: Any, table: Table) -> Iterator[str]:
    """Why a column can't be added at once: compressed rows, or an index of words."""
    await cursor.execute(_FORMAT, table)
    ((kept,),) = await cursor.fetchall() or ((None,),)
    await cursor.execute(_FULLTEXT, table)
    words = await cursor.fetchone()
    return (one for one, so in (("compressed", kept == "Compressed"), ("fulltext", words)) if so)


def mentioned(sql: str | None, columns: Collection[str]) -> tuple[str, ...]:
    """The columns whose names are anywhere in an expression or statement, but for texts in single quotes."""
    names = {(found[1] or found[2] or "").replace("``", "`").lower() for found in _TOKENS.finditer(sql or "")}
    return tuple(column for column in columns if column.lower() in names)

"""Unique indexes of PostgreSQL, and the values of their columns."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from services.etl.loaders._database_keys import KeyColumn, KeySql, UniqueKey
from services.etl.loaders._database_sql import Order, PostgresqlSql, SourceSql, in_quotes

UNIQUE: Final = """
    SELECT c.relname::text AS index, i.indisprimary AS is_primary,
           pg_catalog.array_agg(a.attname::text ORDER BY k.n) AS names,
           pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY k.n) AS spelled,
           pg_catalog.array_agg(NOT a.attnotnull ORDER BY k.n) AS nullable
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid AND t.relname = $2
    JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = $1
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indcollation::oid[]),
        pg_catalog.unnest(i.indclass::oid[]), pg_catalog.unnest(i.indoption::int2[])
    ) WITH ORDINALITY AS k(attnum, collated, class, option, n)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_catalog.pg_opclass AS o ON o.oid = k.class
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND k.n <= i.indnkeyatts
      AND (t.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = t.oid))
    GROUP BY 1, 2
    HAVING bool_and(o.opcdefault AND k.collated = a.attcollation)
       AND min(k.option) = max(k.option) AND min(k.option) IN (0, 3)
    ORDER BY 1"""
"""Those whose order is that of ORDER BY: of another collation or class, two values may be one to the column.
An index knows nothing of the rows in tables that inherit (manual, section 5.10.1)."""

SETTINGS: Final = (
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET jit = off"
)
"""A part is a range of the index: whoever takes the whole table and sorts it does so for each part."""

_ROWS: Final = '"_penstock_rows"'


class PostgresqlKeys(KeySql):
    """A literal without a type is of the type that it is compared with (manual, section 10.2)."""

    sql: ClassVar[SourceSql] = PostgresqlSql()

    def order(self, key: UniqueKey, *, descending: bool = False, offset: int = 0) -> Order:
        """By columns of the table under a name of its own: a bare name would mean one of the answer."""
        direction = " DESC" if descending else ""
        by = ", ".join(f"{_ROWS}.{self.name(column)}{direction}" for column in key.columns)
        return Order(by, f" AS {_ROWS}", offset)

    def selected(self, column: KeyColumn) -> str:
        return f"{self.name(column)}::text"

    def spelled(self, value: Any, _column: KeyColumn) -> str:
        return in_quotes(value)


def keys_of(rows: Iterable[Any]) -> list[UniqueKey]:
    """The answer to `UNIQUE`."""
    return [
        UniqueKey(
            row["index"],
            tuple(
                KeyColumn(name, spelled, nullable)
                for name, spelled, nullable in zip(row["names"], row["spelled"], row["nullable"], strict=True)
            ),
            row["is_primary"],
        )
        for row in rows
    ]

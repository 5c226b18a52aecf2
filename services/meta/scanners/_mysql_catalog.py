"""The queries on information_schema of MySQL and MariaDB, and in what the two differ.

MariaDB answers them by opening the definition of each table, once for every query, but looks at conditions
on names before it does: so each query names the tables of its bucket, and nothing is joined or asked twice.
MySQL 8 has a real data dictionary behind the same views. Both spell the labels of columns differently:
each column has an alias.
"""

from dataclasses import dataclass
from typing import Final

from shared.engines.mysql import Server

OLDEST: Final = {True: (10, 5, 10), False: (8, 0, 16)}
"""By `Server.is_mariadb`: the first versions whose check constraints say which column they belong to."""

_IGNORED: Final = (10, 6, 0)
"""The first MariaDB with indexes that queries don't use."""
_SYSTEM: Final = "('information_schema', 'mysql', 'performance_schema', 'sys')"
_LISTABLE: Final = "('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')"
"""Neither sequences, which MariaDB lists as tables of one row, nor the server's own views."""

DATABASES: Final = f"""
SELECT schema_name AS name, default_character_set_name AS charset, default_collation_name AS collation
  FROM information_schema.schemata WHERE schema_name NOT IN {_SYSTEM} ORDER BY schema_name
"""  # noqa: S608 - made of the constants above
VOLUME: Final = f"""
SELECT count(*) AS table_count, coalesce(sum(data_length + index_length), 0) AS total_size_bytes
  FROM information_schema.tables WHERE table_schema = %s AND table_type IN {_LISTABLE}
"""  # noqa: S608 - as above
LISTING: Final = f"""
SELECT table_name AS name FROM information_schema.tables
 WHERE table_schema = %s AND table_type IN {_LISTABLE}
"""  # noqa: S608 - as above
ACCOUNT: Final = "SELECT CURRENT_USER() AS account"
GRANTED_APART: Final = """
SELECT table_name AS name FROM information_schema.table_privileges WHERE table_schema = %s AND grantee = %s
 UNION
SELECT table_name FROM information_schema.column_privileges WHERE table_schema = %s AND grantee = %s
"""
_TABLES: Final = """
SELECT table_name AS name, table_type AS kind, engine AS engine, table_rows AS row_count,
       data_length AS data_size, index_length AS index_size, table_collation AS collation,
       create_options AS options, table_comment AS comment
  FROM information_schema.tables WHERE table_schema = %s AND {named}
"""
_COLUMNS: Final = """
SELECT table_name AS relation, column_name AS name, ordinal_position AS position, column_default AS fallback,
       is_nullable AS nullable, data_type AS data_type, column_type AS column_type,
       collation_name AS collation, column_key AS mark, extra AS extra, privileges AS privileges,
       column_comment AS comment, generation_expression AS expression
  FROM information_schema.columns WHERE table_schema = %s AND {named}
 ORDER BY table_name, ordinal_position
"""
_INDEXES: Final = """
SELECT table_name AS relation, index_name AS name, non_unique AS non_unique, column_name AS column_name,
       collation AS direction, sub_part AS length, index_type AS method, {expression} AS expression,
       {visible} AS visible
  FROM information_schema.statistics WHERE table_schema = %s AND {named}
 ORDER BY table_name, index_name, seq_in_index
"""
_REFERENCES: Final = """
SELECT table_name AS relation, constraint_name AS name, column_name AS column_name,
       referenced_table_schema AS target_schema, referenced_table_name AS target,
       referenced_column_name AS target_column
  FROM information_schema.key_column_usage
 WHERE table_schema = %s AND {named} AND referenced_table_name IS NOT NULL
 ORDER BY table_name, constraint_name, ordinal_position
"""
_RULES: Final = """
SELECT table_name AS relation, constraint_name AS name, update_rule AS on_update, delete_rule AS on_delete
  FROM information_schema.referential_constraints WHERE constraint_schema = %s AND {named}
"""
_MARIADB_CHECKS: Final = """
SELECT table_name AS relation, constraint_name AS name, check_clause AS clause, 'YES' AS enforced
  FROM information_schema.check_constraints WHERE constraint_schema = %s AND {named}
 ORDER BY table_name, constraint_name
"""
_MYSQL_CHECKS: Final = """
SELECT t.table_name AS relation, c.constraint_name AS name, c.check_clause AS clause, t.enforced AS enforced
  FROM information_schema.table_constraints t
  JOIN information_schema.check_constraints c
    ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
 WHERE t.table_schema = %s AND {named} AND t.constraint_type = 'CHECK'
 ORDER BY t.table_name, c.constraint_name
"""
_VIEWS: Final = """
SELECT table_name AS relation, view_definition AS definition
  FROM information_schema.views WHERE table_schema = %s AND {named}
"""
_PARTITIONS: Final = """
SELECT DISTINCT table_name AS relation, partition_method AS method, partition_expression AS expression,
       subpartition_method AS sub_method, subpartition_expression AS sub_expression
  FROM information_schema.partitions
 WHERE table_schema = %s AND {named} AND partition_name IS NOT NULL
"""
SHOWN_AS_WRITTEN: Final = "SET SESSION sql_quote_show_create = 1"
CREATE: Final = "SHOW CREATE TABLE {table}"


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries for a bucket of tables: their parameters are the database and the names of the tables.

    `hides_checks`: some users don't see the checks of tables that they may read.
    """

    tables: str
    columns: str
    indexes: str
    references: str
    rules: str
    checks: str
    views: str
    partitions: str
    hides_checks: bool


def queries_for(server: Server) -> Queries:
    """The queries that this server understands."""
    if server.is_mariadb:
        # Two names that differ in case only are one to an ordinary comparison there, and two tables.
        named = "BINARY table_name IN %s"
        visible = "IF(ignored = 'YES', 'NO', 'YES')" if server.version >= _IGNORED else "'YES'"
        indexes = _INDEXES.format(named=named, expression="NULL", visible=visible)
        checks = _MARIADB_CHECKS.format(named=named)
    else:
        named = "table_name IN %s"
        indexes = _INDEXES.format(named=named, expression="expression", visible="is_visible")
        checks = _MYSQL_CHECKS.format(named="t.table_name IN %s")
    return Queries(
        tables=_TABLES.format(named=named),
        columns=_COLUMNS.format(named=named),
        indexes=indexes,
        references=_REFERENCES.format(named=named),
        rules=_RULES.format(named=named),
        checks=checks,
        views=_VIEWS.format(named=named),
        partitions=_PARTITIONS.format(named=named),
        hides_checks=server.is_mariadb,
    )

"""Rows of information_schema become tables, whichever of the two servers they come from."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from services.meta.scanners import _mariadb
from services.meta.scanners._model import (
    ColumnKey,
    ConstraintInfo,
    FieldInfo,
    IndexInfo,
    IndexPart,
    KeyInfo,
    TableFailure,
    TableInfo,
    TableType,
)

Row = Mapping[str, Any]

_PRIMARY: Final = "PRIMARY"
_LABEL: Final = re.compile(r"'((?:[^']|'')*)'")
_INTRODUCED: Final = re.compile(r"_[a-z0-9]+\\'((?:[^'\\]|\\\\.)*)\\'")
"""How MySQL spells a string in an expression of its dictionary: with its character set, and escaped."""
_NUMBERS: Final = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year"}
)
"""Types whose literals are not quoted."""
_BROKEN_VIEW: Final = "it refers to something that is gone or that its definer may not read"
_UNREADABLE: Final = "the server can't open it"
_CONTRADICTION: Final = "the catalog's description of it contradicts itself"


@dataclass(slots=True)
class CatalogRows:
    """What the queries answered for one bucket of tables."""

    tables: Sequence[Row]
    columns: Sequence[Row]
    indexes: Sequence[Row] = ()
    references: Sequence[Row] = ()
    rules: Sequence[Row] = ()
    checks: Sequence[Row] = ()
    views: Sequence[Row] = ()
    partitions: Sequence[Row] = ()
    partial: frozenset[str] = frozenset()


@dataclass(slots=True)
class Lookup:
    """The rows of one bucket by the name of their table."""

    rows: CatalogRows
    is_mariadb: bool
    columns: Mapping[str, list[Row]] = field(init=False)
    indexes: Mapping[str, list[Row]] = field(init=False)
    references: Mapping[str, list[Row]] = field(init=False)
    checks: Mapping[str, list[Row]] = field(init=False)
    rules: Mapping[tuple[str, str], Row] = field(init=False)
    definitions: Mapping[str, str] = field(init=False)
    partitions: Mapping[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = by_relation(self.rows.columns)
        self.indexes = by_relation(self.rows.indexes)
        self.references = by_relation(self.rows.references)
        self.checks = by_relation(self.rows.checks)
        self.rules = {(row["relation"], row["name"]): row for row in self.rows.rules}
        self.definitions = {row["relation"]: row["definition"] for row in self.rows.views}
        self.partitions = {row["relation"]: row for row in self.rows.partitions}


def map_tables(
    schema: str, rows: CatalogRows, *, is_mariadb: bool
) -> tuple[list[TableInfo], list[TableFailure]]:
    """The tables of a bucket; one whose rows make no sense is a failure and stops no other."""
    lookup = Lookup(rows, is_mariadb)
    tables: list[TableInfo] = []
    failures: list[TableFailure] = []
    for row in rows.tables:
        name = row["name"]
        reason = _hindrance(row, lookup)
        if reason is None:
            try:
                tables.append(_table(schema, row, lookup))
            except (KeyError, IndexError, TypeError, ValueError):
                reason = _CONTRADICTION
        if reason is not None:
            failures.append(TableFailure(schema, name, reason))
    return tables, failures


def _hindrance(row: Row, lookup: Lookup) -> str | None:
    """Why the table can't be told completely. What was stored of it before stays as it is."""
    if row["name"] in lookup.rows.partial:
        return "the user may see only some of its columns"
    if row["name"] not in lookup.columns:
        return _BROKEN_VIEW if row["kind"] == "VIEW" else _UNREADABLE
    return None


def _table(schema: str, row: Row, lookup: Lookup) -> TableInfo:
    name, is_view = row["name"], row["kind"] == "VIEW"
    columns = lookup.columns[name]
    partition = lookup.partitions.get(name)
    type_: TableType = "view" if is_view else "partitioned_table" if partition else "table"
    clauses = [check["clause"] for check in lookup.checks.get(name, ())]
    return TableInfo(
        schema=schema,
        name=name,
        type=type_,
        fields=tuple(
            _field(column, place, row["collation"], clauses if lookup.is_mariadb else None)
            for place, column in enumerate(columns, start=1)
        ),
        keys=(*_unique_keys(lookup.indexes.get(name, ())), *_foreign_keys(name, lookup)),
        indexes=tuple(_index(rows) for rows in by_relation(lookup.indexes.get(name, ()), "name").values()),
        constraints=_constraints(columns, lookup.checks.get(name, ()), lookup),
        engine=row["engine"],
        comment=None if is_view else row["comment"] or None,
        definition=lookup.definitions.get(name) or None if is_view else None,
        partition_key=_partition_key(partition) if partition else None,
        is_readable=all("select" in column["privileges"].split(",") for column in columns),
        row_count=None if is_view else row["row_count"],
        data_size_bytes=None if is_view else row["data_size"],
        index_size_bytes=None if is_view else row["index_size"],
    )


def _field(column: Row, position: int, collation: str | None, clauses: Sequence[str] | None) -> FieldInfo:
    is_json = clauses is not None and _mariadb.is_json(column, clauses)
    generated = column["expression"]
    default = _mysql_default(column) if clauses is None else _mariadb_default(column)
    return FieldInfo(
        name=column["name"],
        position=position,
        data_type="json" if is_json else column["data_type"],
        column_type="json" if is_json else column["column_type"],
        is_nullable=column["nullable"] == "YES",
        column_key=cast("ColumnKey | None", column["mark"] or None),
        column_default=None if generated else default,
        extra=_extra(column),
        comment=column["comment"] or None,
        type_detail=None if is_json else _type_detail(column, collation),
    )


def _mariadb_default(column: Row) -> str | None:
    """SQL as it was written; the bare word NULL is a default that says nothing, 'NULL' is a text."""
    return None if column["fallback"] == "NULL" else column["fallback"]


def _mysql_default(column: Row) -> str | None:
    """The same SQL from what MySQL keeps: an expression, or the bare value of a literal."""
    value = column["fallback"]
    if value is None:
        return None
    if "DEFAULT_GENERATED" in column["extra"]:
        return _spelled(value)
    if column["data_type"] in _NUMBERS:
        return str(value)
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def _extra(column: Row) -> str | None:
    """Words beside the type in lower case; generated columns as PostgreSQL's are told."""
    words = column["extra"].lower()
    parts = []
    if column["expression"]:
        stored = "virtual" if "virtual" in words else "stored"
        parts.append(f"generated always as ({_spelled(column['expression'])}) {stored}")
    for word in ("default_generated", "virtual generated", "stored generated", "persistent generated"):
        words = words.replace(word, "")
    parts += [part for part in (each.strip() for each in words.split(",")) if part]
    return ", ".join(parts) or None


def _type_detail(column: Row, collation: str | None) -> dict[str, Any] | None:
    detail: dict[str, Any] = {}
    if column["data_type"] in {"enum", "set"}:
        found = _LABEL.findall(column["column_type"])
        detail["labels"] = [label.replace("''", "'") for label in found]
    if column["collation"] and collation and column["collation"] != collation:
        detail["collation"] = column["collation"]
    return detail or None


def _unique_keys(indexes: Sequence[Row]) -> list[KeyInfo]:
    """A unique index over whole columns is a key."""
    keys = []
    for name, rows in by_relation(indexes, "name").items():
        whole = all(row["column_name"] and row["length"] is None for row in rows)
        if whole and not rows[0]["non_unique"]:
            kind: Any = "primary" if name == _PRIMARY else "unique"
            keys.append(KeyInfo(name, kind, tuple(row["column_name"] for row in rows)))
    return sorted(keys, key=lambda key: (key.kind, key.name or ""))


def _foreign_keys(table: str, lookup: Lookup) -> list[KeyInfo]:
    keys = []
    for name, rows in by_relation(lookup.references.get(table, ()), "name").items():
        rule = lookup.rules.get((table, name))
        key = KeyInfo(
            name=name,
            kind="foreign",
            columns=tuple(row["column_name"] for row in rows),
            referenced_schema=rows[0]["target_schema"],
            referenced_table=rows[0]["target"],
            referenced_columns=tuple(row["target_column"] for row in rows),
            on_update=rule["on_update"].lower() if rule else None,
            on_delete=rule["on_delete"].lower() if rule else None,
        )
        keys.append(key)
    return sorted(keys, key=lambda key: key.name or "")


def _index(rows: Sequence[Row]) -> IndexInfo:
    first = rows[0]
    return IndexInfo(
        name=first["name"],
        method=first["method"].lower(),
        is_unique=not first["non_unique"],
        is_primary=first["name"] == _PRIMARY,
        parts=tuple(_part(row) for row in rows),
        is_valid=first["visible"] == "YES",
    )


def _part(row: Row) -> IndexPart:
    column, expression = row["column_name"], row["expression"]
    if column is None:
        expression = _spelled(expression)
    elif row["length"] is not None:
        column, expression = None, f"{column}({row['length']})"
    return IndexPart(column, expression, is_descending=row["direction"] == "D")


def _constraints(columns: Sequence[Row], checks: Sequence[Row], lookup: Lookup) -> tuple[ConstraintInfo, ...]:
    """Checks but those by which MariaDB means JSON: these are a part of the type."""
    clauses = [check["clause"] for check in checks]
    of_json = {
        _mariadb.json_check(column["name"])
        for column in columns
        if lookup.is_mariadb and _mariadb.is_json(column, clauses)
    }
    spelled = _mariadb_check if lookup.is_mariadb else _mysql_check
    kept = sorted((check for check in checks if check["clause"] not in of_json), key=lambda row: row["name"])
    return tuple(
        ConstraintInfo(row["name"], "check", spelled(row), is_validated=row["enforced"] == "YES")
        for row in kept
    )


def _mariadb_check(row: Row) -> str:
    return f"CHECK ({row['clause']})"


def _mysql_check(row: Row) -> str:
    return f"CHECK {_spelled(row['clause'])}"  # it comes in parentheses


def _spelled(expression: str) -> str:
    """An expression without MySQL's introducers of character sets: they change with the client's."""
    return _INTRODUCED.sub(r"'\1'", expression)


def _partition_key(row: Row) -> str:
    key = f"{row['method']} ({row['expression'] or ''})"
    return f"{key}, {row['sub_method']} ({row['sub_expression'] or ''})" if row["sub_method"] else key


def by_relation(rows: Sequence[Row], column: str = "relation") -> dict[str, list[Row]]:
    """The rows by the value of a column, in their order."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return dict(found)

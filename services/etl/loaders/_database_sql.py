"""The SQL of database loaders: which columns of what, under which conditions.

Every name in it is quoted, and every value is a literal of its own: COPY takes no parameters.
"""

# ruff: noqa: S608  see above

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from services.etl.columns import ColumnType, Kind
from services.etl.loaders._database_loader import Query, Relation
from services.etl.pipeline import literals
from services.etl.pipeline.conditions import Comparison, Condition, Junction, Match, Membership, Negation

_OPERATORS: Final = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_NUMBERS: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal"})
_DAYS: Final[frozenset[Kind]] = frozenset({"date", "timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the database has it: its type as it is spelled there and in ours, where one is the same."""

    name: str
    spelled: str
    type: ColumnType | None
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Pushed:
    """A condition in SQL that is true for every row that is wanted; `exact` where for no other row."""

    sql: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What rows are ordered by, what stands behind the table's name for it, and how many are passed over."""

    by: str = ""
    hint: str = ""
    offset: int = 0


UNORDERED: Final = Order()


class SourceSql(ABC):
    """How one engine spells what loaders ask for."""

    texts_are_exact: ClassVar[bool]
    """Whether texts are equal only when all their characters are."""

    kinds_pushed: ClassVar[frozenset[Kind]]
    """Kinds whose comparison means the same there, where the column is of that very type."""

    @staticmethod
    @abstractmethod
    def quote(name: str) -> str:
        """The name in quotes."""

    @abstractmethod
    def literal(self, text: str, kind: ColumnType) -> str:
        """A value, given as text."""

    @abstractmethod
    def earlier(self, value: str, lag: int, kind: ColumnType) -> str:
        """An expression for `value`, a literal, less the lag."""

    @abstractmethod
    def as_text(self, expression: str) -> str:
        """The expression cast to text, exactly."""

    def finite(self, _column: str, _kind: ColumnType) -> str:
        """A condition that is false for values beyond all others of the type; "" where there are none."""
        return ""

    def up_to(self, column: str, value: str, kind: ColumnType) -> str:
        """True for values of a cursor that are not above this one."""
        return f"{column} <= {self.literal(value, kind)}"

    def usable(self, _column: str, _kind: ColumnType) -> str:
        """A condition that is true for values of the type itself; "" where there are no others."""
        return ""

    def can_be_cursor(self, _kind: ColumnType, *, lag: bool) -> bool:  # noqa: ARG002  for subclasses
        """Whether values of a type are in order there, and with `lag` whether `earlier` can be asked for."""
        return True

    def relation(self, relation: Relation) -> str:
        """What stands after FROM. A comment at a query's end ends with its line."""
        if isinstance(relation, Query):
            return f"({relation.text}\n) AS {self.quote('_penstock_query')}"
        prefix = f"{self.quote(relation.schema)}." if relation.schema else ""
        return prefix + self.quote(relation.name)

    def select(
        self,
        expressions: Sequence[str],
        relation: Relation,
        conditions: Sequence[str],
        *,
        limit: int | None,
        order: Order = UNORDERED,
    ) -> str:
        """The statement."""
        where = " AND ".join(f"({one})" for one in conditions if one)
        statement = f"SELECT {', '.join(expressions)} FROM {self.relation(relation)}{order.hint}"
        statement += f" WHERE {where}" if where else ""
        statement += f" ORDER BY {order.by}" if order.by else ""
        statement += f" LIMIT {limit}" if limit is not None else ""
        return statement + (f" OFFSET {order.offset}" if order.offset else "")

    def pushed(self, node: Condition | None, found: dict[str, FoundColumn]) -> Pushed:
        """As much of a condition as the database can decide without losing a row that is wanted."""
        if node is None:
            return Pushed("", exact=True)
        if isinstance(node, Junction):
            return self._junction(node, found)
        return self._leaf(node, found) or Pushed("", exact=False)

    def _junction(self, node: Junction, found: dict[str, FoundColumn]) -> Pushed:
        parts = [self.pushed(child, found) for child in node.conditions]
        exact = all(part.exact for part in parts)
        if node.op == "and":
            return Pushed(" AND ".join(f"({part.sql})" for part in parts if part.sql), exact)
        if not all(part.sql for part in parts):
            return Pushed("", exact=False)
        return Pushed(" OR ".join(f"({part.sql})" for part in parts), exact)

    def _leaf(self, node: Condition, found: dict[str, FoundColumn]) -> Pushed | None:
        if isinstance(node, Negation | Junction | Match):
            return None
        column = found.get(node.column)
        if column is None or column.type is None:
            return None
        name, kind = self.quote(column.name), column.type
        if not isinstance(node, Comparison | Membership):
            negated = "NOT " if node.op == "is_not_null" else ""
            return Pushed(f"{name} IS {negated}NULL", exact=True)
        is_equality = node.op in {"eq", "in"}
        if kind.kind not in self.kinds_pushed or (kind.is_text and not is_equality):
            return None
        exact = self.texts_are_exact or not kind.is_text
        values = node.values if isinstance(node, Membership) else [node.value]
        spelled = [self.literal(_spelled(value, kind), kind) for value in values]
        if isinstance(node, Comparison):
            return Pushed(f"{name} {_OPERATORS[node.op]} {spelled[0]}", exact)
        negated = "NOT " if node.op == "not_in" else ""
        return Pushed(f"{name} {negated}IN ({', '.join(spelled)})", exact)


def _spelled(value: literals.Literal, kind: ColumnType) -> str:
    read = literals.literal(value, kind)
    if kind.kind == "boolean":
        return "true" if read else "false"
    return format(read, "f") if kind.kind == "decimal" else str(read)


def in_quotes(text: str) -> str:
    """A text between quotes that are doubled within it: where no other sign means anything."""
    return "'" + text.replace("'", "''") + "'"


class PostgresqlSql(SourceSql):
    """PostgreSQL with standard_conforming_strings."""

    texts_are_exact = True
    kinds_pushed = _NUMBERS | _DAYS | {"boolean", "text", "varchar", "uuid"}
    _CASTS: ClassVar = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz"}

    @staticmethod
    def quote(name: str) -> str:
        from shared.engines import postgresql

        return postgresql.quote(name)

    def relation(self, relation: Relation) -> str:
        if not isinstance(relation, Query) and relation.schema is None:
            return f"public.{self.quote(relation.name)}"
        return super().relation(relation)

    def literal(self, text: str, kind: ColumnType) -> str:
        cast = self._CASTS.get(kind.kind)
        if cast:
            return f"CAST({in_quotes(text)} AS {cast})"
        return text if kind.is_number or kind.kind == "boolean" else in_quotes(text)

    def earlier(self, value: str, lag: int, kind: ColumnType) -> str:
        if kind.kind in {"timestamp", "timestamptz"}:
            return f"{value} - {lag} * interval '1 second'"
        return f"{value} - {lag}"

    def as_text(self, expression: str) -> str:
        return f"({expression})::text"

    def finite(self, column: str, kind: ColumnType) -> str:
        if kind.kind in _DAYS:
            return f"isfinite({column})"
        return f"{column} < 'Infinity' AND {column} > '-Infinity'" if kind.kind == "decimal" else ""


class MysqlSql(SourceSql):
    """MySQL and MariaDB. Texts are spelled in digits, so that it doesn't matter what a backslash means."""

    texts_are_exact = False
    kinds_pushed = _NUMBERS | _DAYS | {"text", "varchar"}

    @staticmethod
    def quote(name: str) -> str:
        from shared.engines import mysql

        return mysql.quote(name)

    def literal(self, text: str, kind: ColumnType) -> str:
        if kind.kind in _DAYS:
            bare = text.removesuffix("+00:00").removesuffix("+00")
            return f"CAST('{bare}' AS {'DATE' if kind.kind == 'date' else 'DATETIME(6)'})"
        if kind.is_number:
            return text
        return f"_utf8mb4 x'{text.encode().hex()}'" if text else "''"

    def earlier(self, value: str, lag: int, kind: ColumnType) -> str:
        if kind.kind in _DAYS:
            return f"{value} - INTERVAL {lag} {'DAY' if kind.kind == 'date' else 'SECOND'}"
        return f"{value} - {lag}"

    def as_text(self, expression: str) -> str:
        return f"CAST({expression} AS CHAR)"


class SqliteSql(SourceSql):
    """SQLite, whose values have types of their own: only whole numbers and texts are compared there."""

    texts_are_exact = False
    kinds_pushed = frozenset({"int16", "int32", "int64", "text", "varchar"})

    @staticmethod
    def quote(name: str) -> str:
        from shared.engines import sqlite

        return sqlite.quote(name)

    def literal(self, text: str, kind: ColumnType) -> str:
        return text if kind.is_integer else in_quotes(text)

    def earlier(self, value: str, lag: int, kind: ColumnType) -> str:
        assert kind.is_integer, "the session has refused any other"
        return f"{value} - {lag}"

    def as_text(self, expression: str) -> str:
        return f"CAST({expression} AS TEXT)"

    def can_be_cursor(self, kind: ColumnType, *, lag: bool) -> bool:
        return kind.is_integer or (not lag and kind.kind != "decimal")

    def up_to(self, column: str, value: str, kind: ColumnType) -> str:
        """Values of other types are above all others there: they are to be read, and rejected."""
        return f"NOT ({self.usable(column, kind)} AND {column} > {self.literal(value, kind)})"

    def usable(self, column: str, kind: ColumnType) -> str:
        return f"typeof({column}) = '{'integer' if kind.is_integer else 'text'}'"

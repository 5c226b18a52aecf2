"""The guard of queries: one SELECT that changes nothing, as far as its text tells.

It is the first of three: the transaction can't write, and the rights of the user decide at last.
"""

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Invalid, Loc

if TYPE_CHECKING:
    from sqlglot import exp

MAX_LENGTH: Final = 20_000
DIALECTS: Final = {"postgresql": "postgres", "mysql": "mysql", "sqlite": "sqlite"}
"""How sqlglot calls them, by the type of the connection."""

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # its warnings quote the query

_MAX_NESTING: Final = 60
_HIDDEN: Final = re.compile(r"/\*M?!", re.IGNORECASE)
"""MySQL and MariaDB carry out what stands in such a comment."""

_FORBIDDEN: Final = frozenset(
    {
        "set_config", "dblink", "query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema",
        "cursor_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "ts_stat", "nextval", "setval",
        "load_file", "sleep", "benchmark", "get_lock", "release_lock", "release_all_locks", "sys_exec",
        "sys_eval", "load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "master_pos_wait",
        "source_pos_wait", "wait_for_executed_gtid_set", "wait_until_sql_thread_after_gtids",
    }
)  # fmt: skip
_FORBIDDEN_FAMILIES: Final = ("pg_", "lo_", "dblink_", "loread", "lowrite", "sys_", "wsrep_")
_HARMLESS: Final = frozenset(
    {
        "pg_typeof", "pg_column_size", "pg_get_expr", "pg_get_viewdef", "pg_table_size", "pg_relation_size",
        "pg_total_relation_size", "pg_size_pretty", "pg_get_constraintdef", "pg_get_indexdef",
        "pg_database_size", "pg_table_is_visible", "pg_postmaster_start_time", "pg_is_in_recovery",
    }
)  # fmt: skip


class QueryRefused(Invalid):
    """The query can't be used: {reason}."""


def check_query(text: str, *, engine: str | None = None, loc: Loc = ()) -> None:
    """Raise QueryRefused at `loc` unless the text is one SELECT without side effects.

    Without `engine` (a type of connection) it must be so in one of the dialects, and in none of them may it
    be something that is refused for what it does.
    """
    if "\x00" in text or _HIDDEN.search(text):
        raise QueryRefused(loc=loc, reason="it has a NUL character or a comment that MySQL would carry out")
    engines = [engine] if engine else list(DIALECTS)
    unread = ""
    read = False
    for one in engines:
        try:
            statements = _parsed(text, DIALECTS[one])
        except ValueError as error:
            unread = unread or str(error)
            continue
        read = True
        reason = _objection(statements)
        if reason:
            raise QueryRefused(loc=loc, reason=reason)
    if not read:
        raise QueryRefused(loc=loc, reason=unread)


def _parsed(text: str, dialect: str) -> list[Any]:
    import sqlglot
    from sqlglot.errors import ErrorLevel, SqlglotError

    depth = most = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        most = max(most, depth)
    if most > _MAX_NESTING:
        raise ValueError(f"it has more than {_MAX_NESTING} parentheses within each other")
    try:
        if any(token.token_type.name == "SEMICOLON" for token in sqlglot.tokenize(text, dialect=dialect)):
            raise ValueError("it must be one statement, without a semicolon")
        return sqlglot.parse(text, dialect=dialect, error_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise ValueError(_place(error)) from None
    except RecursionError:
        raise ValueError("it is too deep") from None


def _place(error: Any) -> str:
    """Where the text can't be read. What the parser quotes of it stays here."""
    found = error.errors[0] if getattr(error, "errors", None) else {}
    if found.get("line"):
        return f"it can't be read at line {found['line']}, column {found['col']}"
    return "it can't be read as SQL"


def _objection(statements: list[Any]) -> str:
    from sqlglot import exp

    if len(statements) != 1 or statements[0] is None:
        return "it must be one statement"
    (tree,) = statements
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Table):
        return "it must be a SELECT"
    return next(_objections(tree), "")


def _objections(tree: "exp.Query") -> Iterator[str]:
    from sqlglot import exp

    changing = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Set, exp.Use, exp.Pragma, exp.Transaction)
    for node in tree.walk():
        if isinstance(node, exp.Query):
            if node.args.get("locks"):
                yield "it must not lock rows"
        elif isinstance(node, changing):
            yield "it must not change anything"
        if isinstance(node, exp.Func):
            name = _function(node)
            if name not in _HARMLESS and (name in _FORBIDDEN or name.startswith(_FORBIDDEN_FAMILIES)):
                yield f"the function {name} isn't allowed"
        elif isinstance(node, exp.PropertyEQ):
            yield "it must not set variables"


def _function(node: Any) -> str:
    """The name of a function, without quotes and schema, in small letters."""
    from sqlglot import exp

    name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
    return str(name).lower()

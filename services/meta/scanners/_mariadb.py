"""What MariaDB has of its own: JSON as checked text, and checks that only SHOW CREATE TABLE tells all."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|[(),]|\w+|[^\s]""", re.DOTALL
)
_ACTIONS: Final = {"CASCADE": "CASCADE", "RESTRICT": "RESTRICT", "SET": "SET {next}", "NO": "NO ACTION"}
_JSON_COLLATION: Final = "utf8mb4_bin"


@dataclass(frozen=True, slots=True)
class Written:
    """What a CREATE TABLE says beyond what its reader was shown: rows as the catalog would give them."""

    checks: Sequence[Mapping[str, Any]]
    rules: Sequence[Mapping[str, Any]]


def is_json(column: Mapping[str, Any], clauses: Iterable[str]) -> bool:
    """Whether the column was declared JSON: an alias for text with a check (MariaDB, "JSON Data Type")."""
    text = column["data_type"] == "longtext" and column["collation"] == _JSON_COLLATION
    return text and json_check(column["name"]) in clauses


def json_check(column: str) -> str:
    """The check that MariaDB gives a JSON column, which bears the name of its column."""
    return f"json_valid(`{column.replace('`', '``')}`)"


def read_create(table: str, sql: str) -> Written:
    """The checks and the actions of foreign keys in the text of SHOW CREATE TABLE."""
    checks: list[Mapping[str, Any]] = []
    rules: list[Mapping[str, Any]] = []
    for item in _items(sql):
        words = [_word(found) for found in item]
        named = words[0] == "CONSTRAINT"
        if (named or words[0].startswith("`")) and "CHECK" in words:
            clause = _enclosed(sql, item[words.index("CHECK") + 1 :])
            name = _unquoted(words[1] if named else words[0])
            checks.append({"relation": table, "name": name, "clause": clause, "enforced": "YES"})
        elif named and words[2:3] == ["FOREIGN"]:
            actions = {f"on_{event.lower()}": _action(words, event) for event in ("UPDATE", "DELETE")}
            rules.append({"relation": table, "name": _unquoted(words[1]), **actions})
    return Written(checks, rules)


def _items(sql: str) -> Iterator[list[re.Match[str]]]:
    """The columns, keys and constraints between the outer parentheses, each as its tokens."""
    depth, item = 0, list[re.Match[str]]()
    for token in _TOKEN.finditer(sql):
        text = token.group()
        depth += {"(": 1, ")": -1}.get(text, 0)
        opens = text == "(" and depth == 1
        ends = depth == 0 and text == ")"
        if (ends or (depth == 1 and text == ",")) and item:
            yield item
            item = []
        elif depth > 0 and not opens:
            item.append(token)
        if ends:
            return


def _enclosed(sql: str, tokens: Sequence[re.Match[str]]) -> str:
    """The text between the first parenthesis and the one that closes it."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.group(), 0)
        if depth == 0:
            return sql[tokens[0].end() : token.start()].strip()
    return ""


def _action(words: Sequence[str], event: str) -> str:
    for place, word in enumerate(words[:-2]):
        if word == "ON" and words[place + 1] == event:
            following = words[place + 3] if place + 3 < len(words) else ""
            return _ACTIONS.get(words[place + 2], "RESTRICT").format(next=following)
    return "RESTRICT"


def _word(token: re.Match[str]) -> str:
    text = token.group()
    return text if text[0] in "`'\"" else text.upper()


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name

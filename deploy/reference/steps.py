"""The page of all steps of pipelines and of the expression language, as they describe themselves."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from services.etl.pipeline.expression_functions import GROUPS
from services.etl.pipeline.registry import own_steps
from shared.plugins.describe import PluginDescription, describe

PAGE: Final = Path(__file__).parents[2] / "docs" / "handlers.md"

_INTRODUCTION: Final = """\
# The steps of pipelines

A pipeline is a loader, any number of handlers, and a destination. This page is made from the steps
themselves, as `GET /api/etl/v1/handlers` gives them. An unknown parameter is an error. Where a step rejects
a row, the run tells its record, its column, its value and the reason.

How to write a step of your own: [plugins.md](plugins.md).
"""
_EXPRESSIONS: Final = """\
## Expressions

`derive_column`, `filter_rows` and `validate_rows` take expressions: `round(price * qty, 2)`,
`coalesce(name, 'none')`, `case when a > 1 then 'x' else 'y' end`. They are read into known operations and
never evaluated as code.

- Columns are written by their names, in double quotes where a name has other signs than letters, digits and
  `_` or is a word of the language: `"unit price"`. Case counts. Texts stand in single quotes: `'it''s'`.
- Operators, from those that bind tightest: `-x`; `* / %`; `+ -`; `||` (joins texts); `= <> < <= > >=`,
  `is [not] null`, `[not] in (...)`, `[not] between x and y`, `[not] like '%a_'`; `not`; `and`; `or`.
- `case when .. then .. else .. end`, `case x when 1 then .. end`, `if(condition, x, y)`.
- `cast(x as decimal(10,2))` keeps a value exactly or fails; `try_cast` makes NULL of what doesn't fit.
- NULL is that of SQL: what computes with it is NULL, a comparison with it is neither true nor false.
- What can't be computed (a division by zero, an overflow, a value that doesn't fit its cast) fails in its
  row alone, and only where it is reached: `case`, `if`, `coalesce`, `and`, `or` don't reach all their parts.
- Whole numbers compute as int64. Decimals are exact: a sum has the larger scale, a product the sum of the
  scales, a quotient the larger scale but six digits at least, rounded half away from zero; `/` of whole
  numbers is a decimal, too. What has more than 38 digits is an overflow. Decimals and floats don't mix
  without a cast. A constant takes the type of what it meets: in `day > '2026-01-31'` it is a date.
- At most 4000 characters, 500 parts, 60 levels. Patterns are RE2's.
"""
_CONDITIONS: Final = """\
## Conditions

A condition is a tree: `{"op": "eq", "column": "a", "value": 1}` with `eq ne lt le gt ge`; `in` and `not_in`
with `values`; `is_null` and `is_not_null`; `contains`, `starts_with`, `ends_with` and `matches` (RE2) with a
`value` and `case_sensitive`; `and` and `or` with `conditions`; `not` with a `condition`.
"""
_KINDS: Final[Mapping[str, str]] = {
    "loader": "Loaders",
    "handler": "Handlers",
    "destination": "Destinations",
}


def page() -> str:
    """The whole page, which `docs/handlers.md` holds."""
    steps = own_steps()
    parts = [_INTRODUCTION]
    for kind, title in _KINDS.items():
        found = [describe(step) for step in getattr(steps, f"{kind}s").values()]
        parts += [f"## {title}\n", *(_step(description) for description in found)]
    return "\n".join([*parts, _EXPRESSIONS, *_functions(), _CONDITIONS])


def _step(description: PluginDescription) -> str:
    text = [f"### {description.name}", "", description.summary, ""]
    text += [description.docs, ""] if description.docs else []
    schema = description.params_schema
    text += _table(schema)
    for name, inner in _inner(schema):
        text += [f"Each {name}:", "", *_table(inner)]
    for example in description.examples:
        text += ["```json", json.dumps(example, ensure_ascii=False), "```", ""]
    return "\n".join(text)


def _table(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", ())
    rows = [
        f"| `{name}` | {_kind(field)} | {_default(field, needed=name in required)} | {_meaning(field)} |"
        for name, field in schema["properties"].items()
    ]
    return ["| parameter | value | default | meaning |", "|---|---|---|---|", *rows, ""] if rows else []


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects that parameters consist of, but for those of conditions, which have their own part."""
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner and "op" not in inner["properties"]:
            yield _words(name), inner


def _words(name: str) -> str:
    return "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).strip()


def _kind(field: Mapping[str, Any]) -> str:
    if field.get("x-widget") == "condition" or "discriminator" in field:
        return "[condition](#conditions)"
    if field.get("x-widget") == "expression":
        return "[expression](#expressions)"
    if "enum" in field or "const" in field:
        return " or ".join(f"`{choice}`" for choice in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        name = _words(field["$ref"].rpartition("/")[2])
        return "[condition](#conditions)" if name in _OF_CONDITIONS else name
    return _plain(field)


_OF_CONDITIONS: Final = frozenset({"comparison", "membership", "presence", "match", "junction", "negation"})


def _plain(field: Mapping[str, Any]) -> str:
    choices = field.get("anyOf", field.get("oneOf"))
    if choices:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if field.get("type") == "array":
        return "list of " + _kind(field.get("items", {}))
    if isinstance(field.get("additionalProperties"), dict):
        return "object of " + _kind(field["additionalProperties"])
    return str(_NAMES.get(str(field.get("x-widget")), field.get("type", "any")))


_NAMES: Final[Mapping[str, str]] = {"column": "column", "column-type": "column type"}


def _default(field: Mapping[str, Any], *, needed: bool) -> str:
    if needed:
        return "needed"
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""


def _meaning(field: Mapping[str, Any]) -> str:
    return " ".join(str(field.get("description", "")).split()).replace("|", "\\|")


def _functions() -> Iterator[str]:
    for title, functions in GROUPS.items():
        yield f"### {title}\n\n| function | what it gives |\n|---|---|"
        for function in functions.values():
            meaning = function.summary.replace("|", "\\|")
            yield f"| `{function.usage}` | {meaning} |"
        yield ""

"""Random steps that work on rows, with parameters that fit the columns before them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from services.etl.columns import Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.pipeline.registry import steps
from shared.errors import PenstockError
from tests.property.etl_data.typed_rows import TYPES, texts, words

Draw = Callable[[st.SearchStrategy[Any]], Any]
Named = tuple[str, dict[str, Any]]
FRESH: Final = st.sampled_from(["n1", "n2", "n3", "assign"])

ATTEMPTS: Final = 12
"""Steps that are tried for one pipeline; most don't fit the columns."""


def is_text(kind: ColumnType) -> bool:
    return kind.is_text


def some(draw: Draw, columns: Columns, fits: Callable[[ColumnType], bool] = lambda _: True) -> list[str]:
    """Names of one or more columns of types that fit; none where there are none."""
    named = [column.name for column in columns if fits(column.type)]
    return draw(st.lists(st.sampled_from(named), min_size=1, max_size=3, unique=True)) if named else []


def one(draw: Draw, columns: Columns, fits: Callable[[ColumnType], bool] = lambda _: True) -> str:
    """The name of a column, or one that there isn't."""
    return next(iter(some(draw, columns, fits)), "nothing there")


def of(draw: Draw, *choices: Any) -> Any:
    return draw(st.sampled_from(choices))


def cast(draw: Draw, columns: Columns) -> dict[str, Any]:
    policy, kind = of(draw, "reject", "null"), draw(st.sampled_from(TYPES))
    zone = of(draw, None, "Europe/Berlin")
    return {"columns": [{"column": one(draw, columns), "type": kind, "on_error": policy, "timezone": zone}]}


def renaming(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {"mapping": {one(draw, columns): draw(FRESH)}, "others": of(draw, "keep", "keep", "drop")}


def replacing(draw: Draw, columns: Columns) -> dict[str, Any]:
    match = of(draw, "value", "part", "pattern")
    nothing = st.none() if match == "value" else st.nothing()
    finds = draw(st.lists(words | nothing, min_size=1, max_size=3, unique=True))
    if match == "pattern":
        finds = ["(.)b?", "[0-9]+"]
    rules = [{"find": find, "put": draw(texts | nothing)} for find in finds]
    others, exact = of(draw, "keep", "null", "reject"), draw(st.booleans())
    named = some(draw, columns, is_text)
    return {"columns": named, "match": match, "rules": rules, "others": others, "case_sensitive": exact}


def cleaning(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {
        "columns": some(draw, columns, is_text),
        "normal_form": of(draw, "keep", "NFC", "NFKD"),
        "remove": of(draw, [], ["control"], ["control", "invisible"]),
        "collapse": draw(st.booleans()),
        "case": of(draw, "keep", "upper", "title"),
        "empty_to_null": draw(st.booleans()),
    }


def splitting(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {
        "column": one(draw, columns, is_text),
        "into": ["n1", "n2"],
        "by": of(draw, "delimiter", "pattern", "widths"),
        "delimiter": of(draw, ",", "-", "1"),
        "pattern": of(draw, "(.)(.)", "(a)|(b)"),
        "widths": [1, 2],
        "too_few": of(draw, "null", "reject"),
        "too_many": of(draw, "reject", "keep_rest", "drop"),
        "keep": draw(st.booleans()),
    }


def merging(draw: Draw, columns: Columns) -> dict[str, Any]:
    named, null = some(draw, columns, lambda kind: kind.kind != "bytes"), of(draw, "skip", "null")
    return {"columns": named, "into": of(draw, "n1", *named), "null": null, "keep": draw(st.booleans())}


def parsing(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {
        "columns": some(draw, columns, lambda kind: kind.is_text or kind.is_integer),
        "type": of(draw, "date", "timestamp", "timestamptz"),
        "formats": of(draw, ["iso", "epoch_seconds"], ["%d/%m/%Y", "epoch_micros", "iso"]),
        "timezone": "America/New_York",
        "gap": of(draw, "reject", "later"),
        "on_error": of(draw, "reject", "null", "null"),
    }


def masking(draw: Draw, columns: Columns) -> dict[str, Any]:
    method = of(draw, "partial", "email", "hash", "null", "constant")
    named = some(draw, columns, is_text if method in {"email", "constant"} else lambda _: True)
    return {"columns": named, "method": method, "first": of(draw, 0, 1), "value": "x"}


def flattening(draw: Draw, columns: Columns) -> dict[str, Any]:
    kind = of(draw, "text", "json", "int64", "boolean")
    return {
        "column": one(draw, columns, lambda kind: kind.kind in {"json", "text"}),
        "fields": [{"path": of(draw, "a", "a[0]", "$"), "column": "n1", "type": kind}],
        "missing": of(draw, "null", "reject"),
        "on_error": of(draw, "null", "reject"),
    }


def exploding(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {
        "column": one(draw, columns, lambda kind: kind.kind in {"json", "text"}),
        "into": draw(FRESH),
        "type": of(draw, "json", "int64"),
        "position": of(draw, None, "place"),
        "empty": of(draw, "keep", "drop"),
        "max_elements": of(draw, 1, 100),
    }


def unpivoting(draw: Draw, columns: Columns) -> dict[str, Any]:
    kind = columns.get(one(draw, columns)).type
    named = some(draw, columns, lambda other: other == kind)
    return {"columns": named, "name_into": "n1", "value_into": "n2", "nulls": of(draw, "keep", "drop")}


def filtering(draw: Draw, columns: Columns) -> dict[str, Any]:
    return {"condition": {"op": of(draw, "is_null", "is_not_null"), "column": one(draw, columns)}}


def validating(draw: Draw, columns: Columns) -> dict[str, Any]:
    rule = {"name": "there", "condition": {"op": "is_not_null", "column": one(draw, columns)}}
    return {"rules": [rule]}


def deriving(draw: Draw, columns: Columns) -> dict[str, Any]:
    name = one(draw, columns).replace('"', '""')
    expression = of(draw, "record_number()", f'"{name}"', f'coalesce("{name}", "{name}")', f'10 / "{name}"')
    return {"column": draw(FRESH), "expression": expression, "on_error": of(draw, "reject", "null")}


PARAMS: Final[dict[str, Callable[[Draw, Columns], dict[str, Any]]]] = {
    "cast_types": cast,
    "clean_text": cleaning,
    "column_mapping": renaming,
    "derive_column": deriving,
    "drop_columns": lambda draw, columns: {"columns": some(draw, columns)},
    "explode_json": exploding,
    "fill_missing": lambda draw, columns: {"values": {one(draw, columns, is_text): "x"}},
    "filter_rows": filtering,
    "flatten_json": flattening,
    "mask_values": masking,
    "merge_columns": merging,
    "parse_dates": parsing,
    "replace_values": replacing,
    "select_columns": lambda draw, columns: {"columns": some(draw, columns)},
    "split_column": splitting,
    "unpivot": unpivoting,
    "validate_rows": validating,
}


@st.composite
def pipelines(draw: st.DrawFn, columns: Columns, *, most: int = 4) -> Sequence[Named]:
    """Names and parameters of steps that fit, each to the columns that the one before leaves."""
    chosen: list[Named] = []
    wanted = draw(st.integers(1, most))
    for _ in range(ATTEMPTS):
        if len(chosen) == wanted:
            break
        name = draw(st.sampled_from(sorted(PARAMS)))
        params = PARAMS[name](draw, columns)
        try:
            columns = made((name, params)).columns_out(columns)
        except PenstockError:
            continue  # as the API does with a pipeline that can't be
        chosen.append((name, params))
    return chosen


def made(step: Named) -> Handler:
    """A step of its own, as each run has it."""
    handler = steps().handlers[step[0]].of(step[1])
    assert isinstance(handler, Handler)
    return handler

"""Reading a query string by its model."""

import typing
from collections.abc import Mapping
from typing import Any

from multidict import MultiMapping
from pydantic import BaseModel, TypeAdapter

from shared.http import body

_LISTS = (list, tuple, set, frozenset)


def validated_query(kind: type[BaseModel], given: MultiMapping[str]) -> Any:
    """The query as its model. A list takes every occurrence of its name; all else may come once."""
    lists = {field.alias or name for name, field in kind.model_fields.items() if _is_list(field.annotation)}
    single = body.once([pair for pair in given.items() if pair[0] not in lists], "query")
    values: Mapping[str, Any] = single | {name: given.getall(name) for name in lists if name in given}
    return body.validated(TypeAdapter(kind), values, ("query",))


def _is_list(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    return origin in _LISTS or any(_is_list(part) for part in typing.get_args(annotation))

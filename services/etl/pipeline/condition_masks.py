"""Conditions as vectorised operations over Arrow columns."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Columns
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.conditions import Comparison, Condition, Junction, Match, Membership, Negation
from services.etl.pipeline.literals import literal

_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": pc.equal,
    "ne": pc.not_equal,
    "lt": pc.less,
    "le": pc.less_equal,
    "gt": pc.greater,
    "ge": pc.greater_equal,
}
_MATCH: Final[Mapping[str, Callable[..., Any]]] = {
    "contains": pc.match_substring,
    "starts_with": pc.starts_with,
    "ends_with": pc.ends_with,
    "matches": pc.match_substring_regex,
}


def mask(node: Condition, columns: Columns, arrays: Mapping[str, Any]) -> Any:
    """A Boolean Arrow array: true, false or NULL (unknown) for each row. The condition has been checked."""
    if isinstance(node, Junction):
        join = pc.and_kleene if node.op == "and" else pc.or_kleene
        result = mask(node.conditions[0], columns, arrays)
        for child in node.conditions[1:]:
            result = join(result, mask(child, columns, arrays))
        return result
    if isinstance(node, Negation):
        return pc.invert(mask(node.condition, columns, arrays))
    array, kind = arrays[node.column], columns.get(node.column).type
    if isinstance(node, Comparison):
        return _COMPARE[node.op](array, pa.scalar(literal(node.value, kind), arrow_type(kind)))
    if isinstance(node, Membership):
        wanted = pa.array([literal(value, kind) for value in node.values], arrow_type(kind))
        inside = pc.is_in(array, wanted)
        known = pc.if_else(pc.is_valid(array), inside, pa.scalar(None, pa.bool_()))
        return known if node.op == "in" else pc.invert(known)
    if isinstance(node, Match):
        return _MATCH[node.op](array, node.value, ignore_case=not node.case_sensitive)
    return pc.is_null(array) if node.op == "is_null" else pc.is_valid(array)

"""Changes of whole columns of text."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import re2

if TYPE_CHECKING:
    from services.etl.handlers.clean_text import CleanText
    from services.etl.handlers.replace_values import Replacement

_REMOVED: Final[Mapping[str, str]] = {"control": r"[^\P{Cc}\t\n\r]", "invisible": r"\p{Cf}"}
_BLANKS: Final = r"[\s\v\pZ\x{1c}-\x{1f}\x{85}]+"
_CASE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
    "title": pc.utf8_title,
}


def cleaned(array: Any, params: "CleanText.Params") -> Any:
    """A column of strings as `clean_text` leaves it."""
    if params.normal_form != "keep":
        array = pc.utf8_normalize(array, form=params.normal_form)
    for kind in params.remove:
        array = pc.replace_substring_regex(array, _REMOVED[kind], "")
    if params.collapse:
        array = pc.replace_substring_regex(array, _BLANKS, " ")
    if params.trim:
        array = pc.utf8_trim_whitespace(array)
    if params.case != "keep":
        array = _CASE[params.case](array)
    if params.empty_to_null:
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    return array


def replaced(array: Any, rules: Sequence["Replacement"], *, pattern: bool, case_sensitive: bool) -> Any:
    """A column of strings with parts of its values replaced, rule after rule.

    Each rule has texts to find and to put; with `pattern` they are a regular expression and a rewrite of it.
    """
    for rule in rules:
        found, put = str(rule.find), str(rule.put)
        if pattern:
            found = found if case_sensitive else f"(?i:{found})"
            array = pc.replace_substring_regex(array, found, put)
        elif case_sensitive:
            array = pc.replace_substring(array, found, put)
        else:
            literally = put.replace("\\", "\\\\")
            array = pc.replace_substring_regex(array, f"(?i:{re2.escape(found)})", literally)
    return array


def mapped(array: Any, finds: Any, puts: Any, *, case_sensitive: bool) -> tuple[Any, Any]:
    """A column with the values of `finds` replaced by those of `puts`, and where one was found.

    Both are arrays of the column's type; NULL can be found and put.
    """
    asked = array
    if not case_sensitive and pa.types.is_string(array.type):
        asked, finds = pc.utf8_lower(array), pc.utf8_lower(finds)
    places = pc.index_in(asked, value_set=finds)
    found = pc.is_valid(places)
    return pc.if_else(found, puts.take(places), array), found

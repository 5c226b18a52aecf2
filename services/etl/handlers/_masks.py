"""Masks over whole columns. NULL stays NULL."""

import hashlib
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_HIDDEN: Final = 3
"""Signs that stand for a name of any length."""
_ADDRESS: Final = r"(?s)^([^@])[^@]*(@[^@\s]+)$"


def partial(text: Any, first: int, last: int, sign: str) -> Any:
    """All but the first and last characters hidden; everything, where those are all there is."""
    length = pc.utf8_length(text)
    shown = first + last
    whole = pc.less_equal(length, shown)
    hidden = pc.binary_repeat(pa.scalar(sign), pc.if_else(whole, length, pc.subtract(length, shown)))
    parts = [hidden]
    if first:
        parts.insert(0, pc.utf8_slice_codeunits(text, start=0, stop=first))
    if last:
        parts.append(pc.utf8_slice_codeunits(text, start=-last))
    return pc.if_else(whole, hidden, pc.binary_join_element_wise(*parts, ""))


def email(text: Any, sign: str) -> Any:
    """The first character and the domain of addresses; what is no address is hidden as a whole."""
    hidden = sign * _HIDDEN
    rewrite = hidden.replace("\\", "\\\\")
    masked = pc.replace_substring_regex(text, _ADDRESS, rf"\1{rewrite}\2")
    known = pc.if_else(pc.match_substring_regex(text, _ADDRESS), masked, hidden)
    return pc.if_else(pc.is_valid(text), known, pa.scalar(None, pa.string()))


def hashed(values: Any, salt: str) -> Any:
    """SHA-256 (FIPS 180-4) of the salt and each value, in hexadecimal; of text, its UTF-8."""
    start = hashlib.sha256(salt.encode())
    binary = values.cast(pa.binary())
    return pa.array(
        [None if value is None else _hex(start, value) for value in binary.to_pylist()], pa.string()
    )


def _hex(start: Any, value: bytes) -> str:
    digest = start.copy()
    digest.update(value)
    return str(digest.hexdigest())

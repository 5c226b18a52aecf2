"""The names that files are written under: what may stand in them, and what changes from run to run."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic_core import PydanticCustomError

MAX_NAME: Final = 255
"""Characters of a name, as of that of an uploaded file."""

MAX_KEY_BYTES: Final = 900
"""Bytes of a key in UTF-8: a bucket takes 1024, its resource's prefix among them."""

_BRACED: Final = re.compile(r"\{([^{}]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MOMENT: Final = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


def filled_in(name: str, *, run_id: UUID | str, moment: datetime) -> str:
    """The name for a run that was asked for at this moment: each of its attempts has the same one."""
    values = _values(run_id, moment)
    return _BRACED.sub(lambda found: values[found[1]], name)


def check_name(name: str, *, in_bucket: bool) -> None:
    """Check a name with places to fill in. Raises PydanticCustomError."""
    for found in _BRACED.finditer(name):
        if found[1] not in _values(UUID(int=0), _MOMENT):
            raise _invalid("it may hold {date}, {time} and {run}, and no other braces")
    filled = filled_in(name, run_id=UUID(int=0), moment=_MOMENT)
    if "{" in filled or "}" in filled:
        raise _invalid("it may hold {date}, {time} and {run}, and no other braces")
    try:
        size = len(filled.encode())
    except UnicodeEncodeError:
        raise _invalid("it must be text that can be written in UTF-8") from None
    if _CONTROL.search(filled) or filled != filled.strip():
        raise _invalid("it may neither hold control characters nor begin or end with a blank")
    if in_bucket:
        _check_key(filled, size)
    elif len(filled) > MAX_NAME or filled in {".", ".."} or "/" in filled or "\\" in filled:
        raise _invalid(f"it must be a plain file name of at most {MAX_NAME} characters")


def _check_key(key: str, size: int) -> None:
    if size > MAX_KEY_BYTES:
        raise _invalid(f"a key has at most {MAX_KEY_BYTES} bytes in UTF-8")
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise _invalid("no part of a key between slashes may be empty, '.' or '..'")


def _values(run_id: UUID | str, moment: datetime) -> Mapping[str, str]:
    utc = moment.astimezone(UTC)
    return {"date": f"{utc:%Y-%m-%d}", "time": f"{utc:%H%M%S}", "run": str(run_id)}


def _invalid(reason: str) -> PydanticCustomError:
    return PydanticCustomError("file_name_invalid", "{reason}", {"reason": reason})

"""Names of time zones in parameters."""

import zoneinfo
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


@lru_cache(maxsize=64)
def is_zone(name: str) -> bool:
    """Whether the IANA time zone database has it."""
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _known(name: str) -> str:
    if not is_zone(name):
        raise PydanticCustomError("time_zone_unknown", "there is no time zone of this name")
    return name


TimeZoneName = Annotated[
    str,
    Field(
        min_length=1, max_length=64, pattern=r"^[A-Za-z][\w+/-]*$", json_schema_extra={"x-widget": "timezone"}
    ),
    AfterValidator(_known),
]
"""A name of the IANA time zone database, such as Europe/Berlin."""

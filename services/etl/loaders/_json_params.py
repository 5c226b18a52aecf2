"""Paths to values in JSON, as parameters of loaders."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from services.etl.pipeline.json_paths import JsonPath, JsonPathInvalid, parse_path


def place_of(path: str | None) -> JsonPath:
    """The path; none is that to the whole. For validators of parameters."""
    try:
        return parse_path(path) if path else ()
    except JsonPathInvalid as error:
        raise PydanticCustomError(error.code(), "{sentence}", {"sentence": str(error)}) from None


def _of_keys(path: str) -> str:
    if not all(isinstance(key, str) for key in place_of(path)):
        raise PydanticCustomError("json_path_invalid", "the array is to be found by keys alone")
    return path


PathText = Annotated[str, Field(min_length=1, max_length=500)]
RecordsPath = Annotated[PathText, AfterValidator(_of_keys)]
"""Where an array of records lies: inside of objects only."""
